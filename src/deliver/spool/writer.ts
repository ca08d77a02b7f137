import { readCursor } from './cursor.ts';
import { codeOf, type SpoolFile } from './disk.ts';
import { type FrameFacts, frameOf } from './frame.ts';
import { encodeItem, type PackedItem } from './item.ts';
import { giveUp, removeIfConsumed } from './reader.ts';
import {
  addFrame,
  createSegment,
  isConsumed,
  recoverSegments,
  type Segment,
  seqBehind,
  waitingIn,
} from './segment.ts';
import { countPending, groupMsOf, hasWork, type Pending, type SpoolState, usedBytes } from './state.ts';
import { begins, failed, worked } from './trouble.ts';

/** One write and one sync carry about so much. */
const GROUP_BYTES = 2 ** 20;
const MIN_EXPIRY_MS = 1000;

/** The folder belongs to another process. */
const HELD = 'another process uses this folder';

/** Brings everything to disk that waits for it; resolves, never rejects, when that is done or the disk refuses. */
export function work(state: SpoolState): Promise<void> {
  if (state.working !== undefined) return state.working;
  begins(state);
  const working = run(state).finally(() => {
    state.hangAlarm.clear();
    state.working = undefined;
    // What came after the last look.
    if (hasWork(state) && !state.failing && !state.blocked && state.phase !== 'closed') void work(state);
  });
  state.working = working;
  return working;
}

async function run(state: SpoolState): Promise<void> {
  // Whoever has called is told of nothing before its call has ended.
  await undefined;
  try {
    if (state.phase === 'opening') await recover(state);
    if (state.phase !== 'open') return;
    await expire(state);
    await tidy(state);
    while (hasWork(state)) {
      if (state.front.length > 0) await writeFront(state);
      else {
        state.blocked = !(await makeRoom(state));
        if (state.blocked) break;
        await writeGroup(state);
      }
      worked(state);
    }
    if (state.failing || state.hanging) worked(state);
    setExpiry(state);
  } catch (error) {
    failed(state, error);
  }
}

async function recover(state: SpoolState): Promise<void> {
  const { dir, disk, context, lock } = state;
  if (!(await lock.acquire())) throw new Error(HELD);
  const cursor = await readCursor(dir, disk);
  const { segments, damagedBytes, lastSeq } = await recoverSegments(dir, cursor, disk, context.log);
  state.segments = segments;
  state.lastSeq = lastSeq;
  state.phase = 'open';
  const messages = segments.reduce((sum, { unread }) => sum + unread, 0);
  if (messages > 0 || damagedBytes > 0) {
    const fields = { spool: dir, messages, damaged_bytes: damagedBytes };
    context.log.info(fields, 'Found messages of an earlier run in the spool');
  }
  state.events.recovered(messages);
  state.events.changed();
}

async function expire(state: SpoolState): Promise<void> {
  const endMs = state.context.scheduler.now() - state.options.maxAgeMs;
  for (const segment of [...state.segments]) {
    if (waitingIn(segment) === 0 || segment.newestMs >= endMs) continue;
    await sealIfActive(state, segment);
    giveUp(state, segment, 'spool_expired');
  }
}

function setExpiry({ segments, options, context, expiryAlarm }: SpoolState): void {
  const oldest = segments.find((segment) => waitingIn(segment) > 0);
  if (oldest === undefined) expiryAlarm.clear();
  else
    expiryAlarm.set(
      Math.max(MIN_EXPIRY_MS, oldest.newestMs + options.maxAgeMs - context.scheduler.now() + 1),
    );
}

/** An empty spool leaves no file behind. */
async function tidy(state: SpoolState): Promise<void> {
  const segment = state.active?.segment;
  if (segment && segment.size > 0 && isConsumed(segment) && !state.tidyAlarm.isSet()) await seal(state);
}

/** False if the bound is reached and nothing may be dropped. */
async function makeRoom(state: SpoolState): Promise<boolean> {
  const wanted = groupOf(state).reduce((sum, { item }) => sum + item.bytes, 0);
  while (usedBytes(state) + wanted > state.options.maxBytes) {
    const oldest = state.segments.find((segment) => waitingIn(segment) > 0 && !segment.blocking);
    if (oldest === undefined) return usedBytes(state) === 0;
    await sealIfActive(state, oldest);
    giveUp(state, oldest, 'spool_full');
  }
  return true;
}

function groupOf({ pending }: SpoolState): Pending[] {
  let bytes = 0;
  let count = 0;
  while (count < pending.length && bytes < GROUP_BYTES) bytes += pending[count++]?.item.bytes ?? 0;
  return pending.slice(0, count);
}

async function writeGroup(state: SpoolState): Promise<void> {
  const { segmentBytes } = state.options;
  const waitMs = groupMsOf(state);
  if (waitMs > 0 && state.pendingBytes < GROUP_BYTES) await pause(state, waitMs);
  if (state.active && state.active.segment.size >= segmentBytes) await seal(state);
  const active =
    state.active ?? (await open(state, createSegment(state.dir, nextSeq(state), state.context.random)));
  if (state.active === undefined) {
    state.active = active;
    state.segments.push(active.segment);
  }
  const group = groupOf(state);
  state.writing = group.length;
  const isSynced = state.options.durable || group.some(({ awaited }) => awaited !== undefined);
  const ends = await write(state, active, group, isSynced)
    .catch(async (error: unknown) => {
      // What reached the disk all the same is of no use, and would be there a second time after a restart.
      await active.file.cut(active.segment.size).catch(() => {});
      await seal(state);
      throw error;
    })
    .finally(() => {
      state.writing = 0;
    });
  for (const [index, one] of group.entries()) {
    const { item } = one;
    const at = active.segment.size;
    const end = ends[index] ?? at;
    addFrame(active.segment, end, factsOf(item));
    countPending(state, one, -1);
    if (state.freshBytes + item.bytes > state.options.freshBytes) {
      item.packed.free();
      continue;
    }
    state.freshBytes += item.bytes;
    state.fresh.push({ segment: active.segment, at, end, item: { ...item, stored: isSynced } });
  }
  state.pending.splice(0, group.length);
  if (isSynced) tellStored(state, group);
}

/** What was in memory and is older than everything on disk gets a segment of its own before the others. */
async function writeFront(state: SpoolState): Promise<void> {
  const { front, segments } = state;
  const first = segments[0];
  if (first === undefined) {
    state.front = [];
    state.pending.unshift(...front);
    return;
  }
  const opened = await open(state, createSegment(state.dir, first.seq - 1, state.context.random));
  const { segment, file } = opened;
  // Nobody takes any of it meanwhile.
  state.writing = 1;
  const writing = [...front];
  try {
    const ends = await write(state, opened, writing, true);
    for (const [index, { item }] of writing.entries()) addFrame(segment, ends[index] ?? 0, factsOf(item));
  } catch (error) {
    await state.disk.remove(segment.path).catch(() => {});
    throw error;
  } finally {
    await file.close().catch(() => {});
    state.writing = 0;
  }
  segment.sealed = true;
  state.segments.unshift(segment);
  for (const one of writing) {
    countPending(state, one, -1);
    one.item.packed.free();
  }
  state.front = state.front.filter((one) => !writing.includes(one));
  tellStored(state, writing);
}

function tellStored({ events }: SpoolState, written: readonly Pending[]): void {
  for (const { item, awaited } of written) if (awaited && item.stored !== true) events.stored(awaited);
}

interface Open {
  readonly segment: Segment;
  readonly file: SpoolFile;
}

async function open({ dir, disk }: SpoolState, segment: Segment): Promise<Open> {
  const file = await disk.create(segment.path).catch(async (error: unknown) => {
    if (codeOf(error) !== 'ENOENT') throw error;
    // Somebody removed the folder.
    await disk.makeDir(dir);
    return disk.create(segment.path);
  });
  return { segment, file };
}

/** Where each item's frame ends; rejects unless all of them are on disk. */
async function write(
  { dir, disk }: SpoolState,
  { segment, file }: Open,
  group: readonly Pending[],
  durable: boolean,
): Promise<number[]> {
  let end = segment.size;
  const ends: number[] = [];
  const buffers: Buffer[] = [];
  for (const { item } of group) {
    for (const buffer of frameOf(encodeItem(item, durable), factsOf(item))) {
      buffers.push(buffer);
      end += buffer.length;
    }
    ends.push(end);
  }
  await file.write(buffers, segment.size);
  if (durable) {
    await file.sync();
    if (segment.size === 0) await disk.syncDir(dir);
  }
  if (!(await file.isThere())) throw new Error('the segment was removed');
  return ends;
}

const factsOf = ({ packed, offeredMs, whenFull }: PackedItem): FrameFacts => ({
  messages: packed.count,
  offeredMs,
  blocking: whenFull === 'block',
});

/** Nothing is added to the active segment any more. */
export async function seal(state: SpoolState): Promise<void> {
  const { active } = state;
  if (active === undefined) return;
  state.active = undefined;
  active.segment.sealed = true;
  removeIfConsumed(state, active.segment);
  try {
    if (state.segments.includes(active.segment)) await active.file.sync();
  } catch {
    // In memory mode more than that the process can end is not promised.
  }
  await active.file.close().catch(() => {});
}

async function sealIfActive(state: SpoolState, segment: Segment): Promise<void> {
  if (state.active?.segment === segment) await seal(state);
}

const nextSeq = ({ segments, lastSeq }: SpoolState): number => seqBehind(segments, lastSeq);

const pause = ({ context }: SpoolState, ms: number) =>
  new Promise<void>((resolve) => {
    context.scheduler.schedule(() => resolve(), ms);
  });
