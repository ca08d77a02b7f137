import { codeOf } from './disk.ts';
import { nextFrame } from './frame.ts';
import { decodeItem, type Item, releaseItem, unpackItem } from './item.ts';
import { tellLost } from './losses.ts';
import { acknowledge, isConsumed, type Outstanding, type Segment } from './segment.ts';
import { countPending, type LossReason, type SpoolState } from './state.ts';

/** An item that left the spool, but not the disk. */
export interface Taken {
  readonly item: Item;
  /** Says that all of it has its outcome; without that it is there again after a restart. Call it once. */
  readonly done: () => void;
  /** False if the disk refused it: then it is in memory alone. */
  readonly onDisk: boolean;
}

const CURSOR_MS = 200;
const TIDY_MS = 1000;
const RETRY_MS = 1000;

/** The next item in order; `undefined` if there is none or it has to be read first. */
export function takeNext(state: SpoolState, resume: () => void): Taken | undefined {
  if (state.phase === 'closed') return undefined;
  for (;;) {
    const segment = state.segments.find(({ readOffset, size }) => readOffset < size);
    if (segment === undefined) return takePending(state);
    const item = takeFresh(state, segment) ?? takeLoaded(state, segment);
    if (item === 'unread') {
      load(state, segment, resume);
      return undefined;
    }
    if (item !== 'exhausted') return item;
    giveUp(state, segment, 'spool_corrupt');
    resume();
  }
}

/** Gives up what was not taken of a segment. */
export function giveUp(state: SpoolState, segment: Segment, reason: LossReason): void {
  const { unread } = segment;
  segment.unread = 0;
  segment.readOffset = segment.size;
  segment.blocking = false;
  if (unread > 0) {
    tellLost(state, reason, unread);
    if (reason !== 'spool_corrupt') cutBehindTaken(state, segment);
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
  // If it stays, the cursor says that nothing in it is needed, or it is delivered once more.
  const removed = state.disk.remove(segment.path).catch(() => {});
  state.removing = Promise.all([state.removing, removed]).then(() => {});
}

/** A disk that refuses holds up nobody who was not promised that it is written first. */
function takePending(state: SpoolState): Taken | undefined {
  const { options, failing, writing, pending, front } = state;
  if (options.durable || !failing || writing > 0) return undefined;
  const first = front.shift() ?? pending.shift();
  if (first === undefined) return undefined;
  countPending(state, first, -1);
  return { item: releaseItem(first.item), done: () => {}, onDisk: false };
}

function takeFresh(state: SpoolState, segment: Segment): Taken | undefined {
  const { fresh } = state;
  // Behind the reader: what was given up.
  while (fresh[0] && fresh[0].at < fresh[0].segment.readOffset) forgetFirst(state);
  const [first] = fresh;
  if (first?.segment !== segment || first.at !== segment.readOffset) return undefined;
  const item = unpackItem(first.item);
  forgetFirst(state);
  return taken(state, segment, first.end, item);
}

function forgetFirst(state: SpoolState): void {
  const first = state.fresh.shift();
  state.freshBytes -= first?.item.bytes ?? 0;
  first?.item.packed.free();
}

/** The next whole frame of what was read; `unread` if there may be more in the file, `exhausted` if there is not. */
function takeLoaded(state: SpoolState, segment: Segment): Taken | 'unread' | 'exhausted' {
  const { loaded } = state;
  if (loaded?.segment !== segment || segment.readOffset < loaded.from) return 'unread';
  const bytes = loaded.bytes.subarray(0, segment.size - loaded.from);
  for (let at = segment.readOffset - loaded.from; ; ) {
    const frame = nextFrame(bytes, at);
    if (frame === undefined) break;
    at = frame.end;
    const item = decode(frame.payload);
    if (item !== undefined) return taken(state, segment, loaded.from + frame.end, item);
  }
  return loaded.to >= segment.size ? 'exhausted' : 'unread';
}

function decode(payload: Buffer): Item | undefined {
  try {
    return decodeItem(payload);
  } catch {
    return undefined;
  }
}

function taken(state: SpoolState, segment: Segment, end: number, item: Item): Taken {
  const frame: Outstanding = { end, done: false };
  segment.outstanding.push(frame);
  segment.readOffset = end;
  segment.unread -= item.batch.messages.length;
  if (end >= segment.size && segment.unread > 0) giveUp(state, segment, 'spool_corrupt');
  const done = () => {
    acknowledge(segment, frame);
    if (!state.cursorAlarm.isSet()) state.cursorAlarm.set(CURSOR_MS);
    removeIfConsumed(state, segment);
  };
  return { item, done, onDisk: true };
}

function load(state: SpoolState, segment: Segment, resume: () => void): void {
  if (state.loading !== undefined || state.readAlarm.isSet()) return;
  const { readOffset: from, size: to } = segment;
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
    if (state.segments.includes(segment)) state.loaded = { segment, from, to, bytes };
  };
  state.loading = read().finally(() => {
    state.loading = undefined;
    resume();
    state.events.changed();
  });
}
