import { saveCursorSoon } from './cursor.ts';
import { codeOf } from './disk.ts';
import { type Frame, nextFrame } from './frame.ts';
import { decodeHead, decodeItem, type Item, releaseItem, unpackItem } from './item.ts';
import { tellLost } from './losses.ts';
import { giveUpBack, putBack } from './put-back.ts';
import { acknowledge, isConsumed, type Outstanding, type Segment, waitingIn } from './segment.ts';
import { countPending, type Loaded, type LossReason, type Pending, type SpoolState } from './state.ts';

/** An item that left the spool, but not the disk. */
export interface Taken {
  readonly item: Item;
  /** Says that all of it has its outcome; without that it is there again after a restart. Call it once. */
  readonly done: () => void;
  /** Leaves it where it is, in its order, instead. */
  readonly putBack: () => void;
  /** False if the disk refused it: then it is in memory alone. */
  readonly onDisk: boolean;
}

/** Targets of which nothing is taken. */
export interface Aside {
  has(target: string): boolean;
}

const TIDY_MS = 1000;
const RETRY_MS = 1000;

/** A frame that comes next; `item`: none if its target is aside. */
interface Found {
  readonly at: number;
  readonly end: number;
  readonly target: string;
  readonly messages: number;
  readonly item: Item | undefined;
}

/** The next item in order; `undefined` if there is none or it has to be read first. What is aside is passed by. */
export function takeNext(state: SpoolState, aside: Aside): Taken | undefined {
  if (state.phase === 'closed') return undefined;
  for (;;) {
    const segment = state.segments.find(({ readOffset, size }) => readOffset < size);
    if (segment === undefined) return takePending(state, aside);
    const found = nextFresh(state, segment, aside) ?? nextLoaded(state, segment, aside);
    if (found === 'unread') {
      load(state, segment, segment.readOffset, segment.size, (loaded) => {
        state.loaded = loaded;
      });
      return undefined;
    }
    if (found === 'exhausted') {
      giveUp(state, segment, 'spool_corrupt');
      continue;
    }
    const { item, ...rest } = found;
    const frame: Outstanding = { ...rest, segment, done: false, back: undefined };
    advance(state, frame);
    if (item !== undefined) return handOut(state, frame, item);
    putBack(state, frame);
    state.passedBytes += frame.end - frame.at;
  }
}

function advance(state: SpoolState, frame: Outstanding): void {
  const { segment, end, messages } = frame;
  segment.outstanding.push(frame);
  segment.readOffset = end;
  segment.unread -= messages;
  if (end >= segment.size && segment.unread > 0) giveUp(state, segment, 'spool_corrupt');
}

/** Gives up what was not taken of a segment, and what was put back unless the rest is damaged. */
export function giveUp(state: SpoolState, segment: Segment, reason: LossReason): void {
  const isDamaged = reason === 'spool_corrupt';
  const lost = isDamaged ? segment.unread : waitingIn(segment);
  segment.unread = 0;
  segment.readOffset = segment.size;
  if (!isDamaged) giveUpBack(state, segment);
  segment.blocking = segment.back > 0 && segment.blocking;
  if (lost > 0) {
    tellLost(state, reason, lost);
    if (!isDamaged) cutBehindTaken(state, segment);
  }
  removeIfConsumed(state, segment);
}

/** What was taken and has no outcome keeps a segment that was given up; the rest of it must not come back. */
function cutBehindTaken({ disk }: SpoolState, segment: Segment): void {
  const last = segment.outstanding.at(-1);
  if (last === undefined || !segment.sealed) return;
  segment.size = last.end;
  segment.readOffset = last.end;
  // If that fails, what was counted as lost is delivered after a restart.
  disk.cut(segment.path, last.end).catch(() => {});
}

/** Removes a segment that is of no use any more. */
export function removeIfConsumed(state: SpoolState, segment: Segment): void {
  if (!isConsumed(segment)) return;
  if (!segment.sealed) {
    if (segment.size > 0) state.tidyAlarm.set(TIDY_MS);
    return;
  }
  state.segments = state.segments.filter((one) => one !== segment);
  if (state.loaded?.segment === segment) state.loaded = undefined;
  if (state.reloaded?.segment === segment) state.reloaded = undefined;
  // If it stays, the cursor says that nothing in it is needed, or it is delivered once more.
  const removed = state.disk.remove(segment.path).catch(() => {});
  state.removing = Promise.all([state.removing, removed]).then(() => {});
}

/**
 * A disk that refuses holds up nobody who was not promised that it is written first. Of a target that has something on
 * it that comes before, nothing is taken.
 */
function takePending(state: SpoolState, aside: Aside): Taken | undefined {
  const { options, failing, writing, pending, front, back } = state;
  if (options.durable || !failing || writing > 0) return undefined;
  const takeFrom = (waiting: Pending[]) => {
    const at = waiting.findIndex(({ item: { target } }) => !back.has(target.key) && !aside.has(target.key));
    return at < 0 ? undefined : waiting.splice(at, 1)[0];
  };
  const first = takeFrom(front) ?? takeFrom(pending);
  if (first === undefined) return undefined;
  countPending(state, first, -1);
  return { item: releaseItem(first.item), done: () => {}, putBack: () => {}, onDisk: false };
}

function nextFresh(state: SpoolState, segment: Segment, aside: Aside): Found | undefined {
  const { fresh } = state;
  // Behind the reader: what was given up.
  while (fresh[0] && fresh[0].at < fresh[0].segment.readOffset) forgetFirst(state);
  const [first] = fresh;
  if (first?.segment !== segment || first.at !== segment.readOffset) return undefined;
  const { at, end, item } = first;
  const target = item.target.key;
  const found = aside.has(target) ? undefined : unpackItem(item);
  const { count: messages } = item.packed;
  forgetFirst(state);
  return { at, end, target, messages, item: found };
}

function forgetFirst(state: SpoolState): void {
  const first = state.fresh.shift();
  state.freshBytes -= first?.item.bytes ?? 0;
  first?.item.packed.free();
}

/** The next whole frame of what was read; `unread` if there may be more in the file, `exhausted` if there is not. */
function nextLoaded({ loaded }: SpoolState, segment: Segment, aside: Aside): Found | 'unread' | 'exhausted' {
  if (loaded?.segment !== segment || segment.readOffset < loaded.from) return 'unread';
  const bytes = loaded.bytes.subarray(0, segment.size - loaded.from);
  for (let next = segment.readOffset - loaded.from; ; ) {
    const frame = nextFrame(bytes, next);
    if (frame === undefined) break;
    next = frame.end;
    const at = loaded.from + frame.at;
    if (segment.known.has(at)) continue;
    const found = foundIn(frame, aside);
    if (found !== undefined) return { ...found, at, end: loaded.from + frame.end };
  }
  return loaded.to >= segment.size ? 'exhausted' : 'unread';
}

function foundIn({ payload, messages }: Frame, aside: Aside): Omit<Found, 'at' | 'end'> | undefined {
  const target = targetIn(payload);
  if (target === undefined) return undefined;
  if (aside.has(target)) return { target, messages, item: undefined };
  const item = decode(payload);
  return item && { target, messages, item };
}

function targetIn(payload: Buffer): string | undefined {
  try {
    return decodeHead(payload).head.target.key;
  } catch {
    return undefined;
  }
}

/** What a frame holds; `undefined` if it is no item. */
export function decode(payload: Buffer): Item | undefined {
  try {
    return decodeItem(payload);
  } catch {
    return undefined;
  }
}

/** An item whose frame is outstanding. */
export function handOut(state: SpoolState, frame: Outstanding, item: Item): Taken {
  const done = () => {
    acknowledge(frame);
    saveCursorSoon(state);
    removeIfConsumed(state, frame.segment);
  };
  return { item, done, putBack: () => putBack(state, frame), onDisk: true };
}

/** Reads a part of a segment, unless something is being read; `keep` takes it. */
export function load(
  state: SpoolState,
  segment: Segment,
  from: number,
  to: number,
  keep: (loaded: Loaded) => void,
): void {
  if (state.loading !== undefined || state.readAlarm.isSet()) return;
  const read = async () => {
    let bytes: Buffer;
    try {
      bytes = await state.disk.read(segment.path, from, to);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') {
        state.readAlarm.set(RETRY_MS);
        return;
      }
      bytes = Buffer.alloc(0);
    }
    if (state.segments.includes(segment)) keep({ segment, from, to, bytes });
  };
  state.loading = read().finally(() => {
    state.loading = undefined;
    state.events.changed();
  });
}
