import { createSlab } from '../slab.ts';
import { saveCursor } from './cursor.ts';
import type { SpoolDisk } from './disk.ts';
import { type Item, packItem, releaseItem } from './item.ts';
import { createLock, type Processes } from './lock.ts';
import { sayLost } from './losses.ts';
import { type Aside, type Taken, takeNext } from './reader.ts';
import { waitingIn } from './segment.ts';
import {
  countPending,
  createSpoolState,
  hasWork,
  type Pending,
  type SpoolEvents,
  type SpoolOptions,
  type SpoolState,
  unreadMessages,
  usedBytes,
  withDefaults,
} from './state.ts';
import { takeBack } from './take-back.ts';
import { hangs } from './trouble.ts';
import { seal, work } from './writer.ts';

export type { Aside, Taken } from './reader.ts';
export type { LossReason, SpoolEvents, SpoolOptions } from './state.ts';

/** Items on disk, first in, first out, that survive the process. Nothing here throws or waits but `flush` and `close`. */
export interface Spool {
  /** Takes an item behind all others. It can be taken once it is on disk; until then it counts as pending. */
  append(item: Item): void;
  /** Takes items before all others. */
  prepend(items: readonly Item[]): void;
  /**
   * The next item; `undefined`: none now, `changed` tells when to ask again. What was put back goes first; that of targets
   * which are `aside` stays where it is, in its order, and is put back if it comes next.
   */
  take(aside?: Aside): Taken | undefined;
  /** Gives up pending items, the oldest first, until so many bytes are free; the disk must be failing. */
  dropPending(bytes: number): readonly Item[];
  /** Other bounds. */
  configure(options: SpoolOptions): void;
  /** Recovers what is there, brings everything pending to disk and syncs. False if that failed. */
  flush(): Promise<boolean>;
  /** Flushes, saves its place and leaves the folder to others. Resolves to what could not be written. */
  close(): Promise<readonly Item[]>;
  /** Bytes of what is not on disk yet. */
  readonly pendingBytes: number;
  /** Whether there is nothing that was not taken. O(1), as those that were are no segment any more. */
  readonly isEmpty: boolean;
  /** Whether the disk refuses. */
  readonly isFailing: boolean;
  /** Bytes of all that was passed by so far. */
  readonly passedBytes: number;
  stats(): SpoolStats;
}

export interface SpoolStats {
  /** Messages on disk that wait to be taken. */
  readonly unread: number;
  /** Messages that are not on disk yet, and their bytes. */
  readonly pending: number;
  readonly pendingBytes: number;
  /** Bytes held in memory: what is pending, and what need not be read again. */
  readonly memoryBytes: number;
  /** Bytes of the files with something to take in them. */
  readonly bytes: number;
  /** When the oldest item was offered, epoch milliseconds. */
  readonly oldestMs: number | undefined;
  /** Whether recovery is over. */
  readonly isOpen: boolean;
  /** Whether all that was not taken is in memory. */
  readonly isInMemory: boolean;
  /** Whether the disk refuses. */
  readonly isFailing: boolean;
  /** Whether it does not answer. */
  readonly isHanging: boolean;
}

/** Where a spool lives. */
export interface SpoolPlace {
  /** Its own folder; made when something is written. */
  readonly dir: string;
  readonly disk: SpoolDisk;
  readonly processes: Processes;
}

/** Opens a spool; touches the disk with the first `flush`, or the first item. */
export function openSpool(
  { dir, disk, processes }: SpoolPlace,
  options: SpoolOptions,
  events: SpoolEvents,
  context: SpoolState['context'],
): Spool {
  const slab = createSlab();
  const lock = createLock(dir, disk, context.scheduler, processes);
  const state = createSpoolState({ dir, disk, context, events, lock }, options, {
    retry: () => void work(state),
    hang: () => hangs(state),
    cursor: () => void saveCursor(state),
    losses: () => sayLost(state),
  });
  const resume = () => {
    if (!state.blocked || state.phase !== 'open') return;
    state.blocked = false;
    void work(state);
  };
  const start = () => {
    if (!state.failing && !state.blocked) void work(state);
  };
  const enter = (item: Item): Pending => {
    const { messages } = item.batch;
    const entered = {
      item: packItem(item, slab),
      awaited: events.isAwaited(messages) ? messages : undefined,
    };
    countPending(state, entered, 1);
    return entered;
  };
  const flush = async () => {
    state.flushing = true;
    do {
      state.blocked = false;
      await work(state);
    } while (hasWork(state) && !state.failing && !state.blocked);
    state.flushing = false;
    await state.active?.file.sync().catch(() => {});
    return !hasWork(state) && !state.failing;
  };

  return {
    append: (item) => {
      state.pending.push(enter(item));
      start();
    },
    prepend: (items) => {
      if (items.length === 0) return;
      state.front.unshift(...items.map(enter));
      start();
    },
    take: (aside = none) => {
      const back = takeBack(state, aside);
      const taken = back === 'unread' ? undefined : (back ?? takeNext(state, aside));
      // There may be room now.
      resume();
      return taken;
    },
    dropPending: (bytes) => {
      const { pending } = state;
      let freed = 0;
      let end = state.writing;
      while (state.failing && freed < bytes && end < pending.length) freed += pending[end++]?.item.bytes ?? 0;
      const dropped = pending.splice(state.writing, end - state.writing);
      for (const one of dropped) countPending(state, one, -1);
      return dropped.map(({ item }) => releaseItem(item));
    },
    configure: (changed) => {
      state.options = withDefaults(changed);
      state.blocked = false;
      if (state.phase === 'open') start();
    },
    flush,
    close: async () => {
      await flush();
      await state.loading;
      const left = [...state.front, ...state.pending].map(({ item }) => releaseItem(item));
      const wasOpen = state.phase === 'open';
      state.phase = 'closed';
      stop(state);
      await seal(state);
      await state.removing;
      if (wasOpen && state.segments.length > 0) await saveCursor(state);
      await lock.release().catch(() => {});
      return left;
    },
    get pendingBytes() {
      return state.pendingBytes;
    },
    get isEmpty() {
      return state.pendingMessages === 0 && state.segments.every((segment) => waitingIn(segment) === 0);
    },
    get isFailing() {
      return state.failing;
    },
    get passedBytes() {
      return state.passedBytes;
    },
    stats: () => statsOf(state),
  };
}

const none: Aside = { has: () => false };

function stop(state: SpoolState): void {
  const { retryAlarm, hangAlarm, readAlarm, cursorAlarm, tidyAlarm, expiryAlarm, lossAlarm } = state;
  sayLost(state);
  for (const alarm of [retryAlarm, hangAlarm, readAlarm, cursorAlarm, tidyAlarm, expiryAlarm, lossAlarm])
    alarm.clear();
}

function statsOf(state: SpoolState): SpoolStats {
  const { pendingBytes, freshBytes, front, pending, segments } = state;
  const first = segments.find((segment) => waitingIn(segment) > 0);
  return {
    unread: unreadMessages(state),
    pending: state.pendingMessages,
    pendingBytes,
    memoryBytes: pendingBytes + freshBytes,
    bytes: usedBytes(state),
    oldestMs: first?.oldestMs ?? (front[0] ?? pending[0])?.item.offeredMs,
    isOpen: state.phase === 'open',
    isInMemory: isInMemory(state),
    isFailing: state.failing,
    isHanging: state.hanging,
  };
}

function isInMemory(state: SpoolState): boolean {
  let fresh = 0;
  for (const { segment, at, item } of state.fresh) {
    if (at >= segment.readOffset) fresh += item.packed.count;
  }
  return state.phase === 'open' && fresh === unreadMessages(state);
}
