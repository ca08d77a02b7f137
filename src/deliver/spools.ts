import { join } from 'node:path';
import type { Context } from '../context.ts';
import type { Message } from '../message.ts';
import type { Job } from './job.ts';
import { errorText } from './retry.ts';
import { codeOf, realDisk, type SpoolDisk } from './spool/disk.ts';
import type { Item } from './spool/item.ts';
import { linuxProcesses, type Processes } from './spool/lock.ts';
import { type Aside, type LossReason, openSpool, type Spool, type SpoolOptions } from './spool/spool.ts';

/** What a lane sees of its backend's spool. Nothing here throws or waits. */
export interface LaneSpool {
  /** Takes a job behind all others; it comes back through `take`. */
  append(job: Omit<Job, 'order'>): void;
  /**
   * The next job; `undefined`: none now, `changed` tells when to ask again. None while an older lane has the spool. What
   * targets have that are `aside` is passed by, and comes first once they are not.
   */
  take(aside?: Aside): Omit<Job, 'order'> | undefined;
  /** While the disk refuses: gives up jobs that wait for it, the oldest first, until so many bytes are free. */
  dropPending(bytes: number): readonly Item[];
  /** Bytes of all that was passed by so far. */
  readonly passedBytes: number;
  /** Leaves the spool to the next lane, or to the next process; `jobs`, oldest first, are what has no outcome yet. */
  release(jobs: readonly Job[]): void;
  /** Bytes on their way to the disk. */
  readonly pendingBytes: number;
  /** Whether there is, as far as can be known, nothing to take, now or later. */
  readonly isEmpty: boolean;
  /** Whether it is empty, the disk does not refuse, and all that was taken from the disk has its outcome. */
  readonly isDone: boolean;
  /** Whether the log says that messages go to it, or were found in it, and not yet that it is empty again. */
  isTold: boolean;
  /** Whether all that is left to take is in memory, and no other lane waits for it. */
  readonly isShort: boolean;
}

/** What a lane asks of the spool. */
export interface SpoolUse extends Omit<SpoolOptions, 'groupMs' | 'segmentBytes'> {
  /** There may be more to take, or less that waits for the disk. Never called inside a call. */
  readonly changed: () => void;
}

/** What is in the spool of a backend. */
export interface SpoolGauge {
  readonly backend: string;
  /** Messages there that are in no lane's memory. */
  readonly messages: number;
  /** Bytes of its files. */
  readonly bytes: number;
  /** Bytes of messages that are not written yet. */
  readonly pendingBytes: number;
  /** Messages that an earlier process had left there, since the start. */
  readonly recovered: number;
  /** Whether its disk refuses. */
  readonly isFailing: boolean;
  /** Whether its disk does not answer. */
  readonly isHanging: boolean;
}

/** Every backend's spool, for as long as the process runs: lanes come and go, one at a time takes from it. */
export interface Spools {
  /** Opens a lane's way to a spool; its bounds are now the lane's. */
  use(backend: string, use: SpoolUse): LaneSpool;
  /** Where to say that messages were given up. */
  listen(lost: (backend: string, reason: LossReason, messages: number) => void): void;
  stats(): readonly SpoolGauge[];
  /** Brings everything to disk within so much time. Resolves to the number of messages that are on none. */
  close(withinMs: number): Promise<number>;
}

export interface SpoolsOptions {
  /** Folder of the spools' own folders. */
  readonly dir: string;
  readonly disk?: SpoolDisk;
  readonly processes?: Processes;
}

/** A spool and those who use it. */
interface Shared {
  readonly spool: Spool;
  /** The first one takes. */
  readonly users: SpoolUse[];
  /** Whether a lane uses it, or did: at a stop lanes may be gone before recovery ends. */
  wasUsed: boolean;
  /** What lanes that are gone had taken, or never wrote, in order. */
  returned: Job[];
  recovered: number;
  /** Whether an earlier process may have left something. */
  isUnknown: boolean;
  /** Items that were taken from the disk and have no outcome yet. */
  outstanding: number;
  /** See `LaneSpool`. */
  isTold: boolean;
}

/** Nothing is asked of a spool that no lane uses. */
const UNBOUNDED: SpoolOptions = {
  maxBytes: Number.MAX_SAFE_INTEGER,
  maxAgeMs: Number.POSITIVE_INFINITY,
  durable: false,
};

/** Looks for what earlier processes left, and recovers it in the background. Never rejects. */
export async function openSpools(
  { dir, disk = realDisk, processes = linuxProcesses }: SpoolsOptions,
  context: Pick<Context, 'scheduler' | 'log' | 'random' | 'receipts'>,
): Promise<Spools> {
  const all = new Map<string, Shared>();
  let lost: (backend: string, reason: LossReason, messages: number) => void = () => {};

  const open = (backend: string, options: SpoolOptions, isUnknown: boolean): Shared => {
    const events = {
      changed: () => {
        for (const { changed } of [...shared.users]) changed();
      },
      lost: (reason: LossReason, messages: number) => lost(backend, reason, messages),
      stored: (messages: readonly Message[]) => context.receipts?.safe(messages),
      isAwaited: (messages: readonly Message[]) => context.receipts?.isAwaited(messages) === true,
      recovered: (messages: number) => {
        shared.recovered = messages;
        shared.isUnknown = false;
        shared.isTold ||= messages > 0;
        if (messages === 0 || shared.wasUsed) return;
        context.log.warn({ backend, messages }, 'Messages wait on disk for a backend that no rule sends to');
      },
    };
    const place = { dir: join(dir, backend), disk, processes };
    const shared: Shared = {
      spool: openSpool(place, options, events, context),
      users: [],
      wasUsed: false,
      returned: [],
      recovered: 0,
      isUnknown,
      outstanding: 0,
      isTold: false,
    };
    all.set(backend, shared);
    return shared;
  };

  for (const backend of await foldersIn(dir, disk, context)) {
    void open(backend, UNBOUNDED, true).spool.flush();
  }

  return {
    use: (backend, use) => {
      const shared = all.get(backend) ?? open(backend, use, false);
      shared.spool.configure({ ...use });
      return enter(shared, use);
    },
    listen: (listener) => {
      lost = listener;
    },
    stats: () => [...all].map(([backend, shared]) => gaugeOf(backend, shared)),
    close: async (withinMs) => {
      const closed = [...all].map(async ([backend, { spool, returned }]) => {
        const unwritten = messagesOf(await spool.close());
        const messages = spool.stats().unread + messagesOf(returned);
        if (messages > 0) context.log.info({ backend, messages }, 'What is not delivered is kept on disk');
        return unwritten;
      });
      const saved = Promise.all(closed).then((left) => left.reduce((sum, one) => sum + one, 0));
      const late = new Promise<'late'>((resolve) => {
        const timer = context.scheduler.schedule(() => resolve('late'), withinMs);
        void saved.finally(() => timer.unsubscribe());
      });
      const left = await Promise.race([saved, late]);
      if (left !== 'late') return left;
      const slow = [...all].filter(([, { spool }]) => spool.stats().pending > 0);
      // Before what earlier runs left is known, nothing is written behind it.
      const reading = slow.flatMap(([backend, { spool }]) => (spool.stats().isOpen ? [] : backend));
      const fields = { dir, backends: slow.map(([backend]) => backend), still_reading: reading };
      context.log.error(fields, 'The spool could not be written in time');
      return slow.reduce((sum, [, { spool }]) => sum + spool.stats().pending, 0);
    },
  };
}

async function foldersIn(
  dir: string,
  disk: SpoolDisk,
  { log }: Pick<Context, 'log'>,
): Promise<readonly string[]> {
  try {
    return await disk.list(dir);
  } catch (error) {
    if (codeOf(error) !== 'ENOTDIR') log.error({ dir, error: errorText(error) }, 'The spool cannot be read');
    return [];
  }
}

function enter(shared: Shared, use: SpoolUse): LaneSpool {
  const { spool, users } = shared;
  users.push(use);
  shared.wasUsed = true;
  return {
    append: (job) => spool.append(job),
    take: (aside) => {
      if (users[0] !== use) return undefined;
      const back = shared.returned.shift();
      if (back !== undefined) return back;
      const taken = spool.take(aside);
      if (taken === undefined) return undefined;
      const { item, onDisk } = taken;
      if (!onDisk) return item;
      shared.outstanding++;
      const leave = (way: () => void) => () => {
        shared.outstanding--;
        way();
      };
      const messages = item.batch.messages.length;
      const frame = { target: item.target.key, messages, putBack: leave(taken.putBack) };
      return { ...item, spooled: { left: messages, done: leave(taken.done), frame } };
    },
    dropPending: spool.dropPending,
    release: (jobs) => {
      users.splice(users.indexOf(use), 1);
      const next = users[0];
      if (next !== undefined) {
        shared.returned.push(...jobs);
        next.changed();
      } else {
        // What came from the spool is there still.
        shared.returned.push(...jobs.filter(({ spooled }) => spooled !== undefined));
        spool.prepend(jobs.filter(({ spooled }) => spooled === undefined));
      }
    },
    get passedBytes() {
      return spool.passedBytes;
    },
    get pendingBytes() {
      return spool.pendingBytes;
    },
    get isEmpty() {
      return spool.isEmpty && shared.returned.length === 0 && (!shared.isUnknown || spool.isFailing);
    },
    get isDone() {
      return shared.outstanding === 0 && !spool.isFailing && this.isEmpty;
    },
    get isTold() {
      return shared.isTold;
    },
    set isTold(isTold) {
      shared.isTold = isTold;
    },
    get isShort() {
      return users[0] === use && users.length === 1 && !spool.isFailing && spool.stats().isInMemory;
    },
  };
}

function gaugeOf(backend: string, { spool, returned, recovered }: Shared): SpoolGauge {
  const { unread, pending, bytes, pendingBytes, isFailing, isHanging } = spool.stats();
  const messages = unread + pending + messagesOf(returned);
  return { backend, messages, bytes, pendingBytes, recovered, isFailing, isHanging };
}

const messagesOf = (items: readonly Item[]): number =>
  items.reduce((sum, { batch }) => sum + batch.messages.length, 0);
