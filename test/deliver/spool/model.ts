// A spool on a disk that loses power, flips bits, loses segments, runs full and fails, against what it must keep.
import { expect } from '@jest/globals';
import fc from 'fast-check';
import { nextFrame } from '../../../src/deliver/spool/frame.ts';
import { decodeItem } from '../../../src/deliver/spool/item.ts';
import type { Taken } from '../../../src/deliver/spool/spool.ts';
import { jsonOf, type Message } from '../../../src/message.ts';
import { message, numberOf } from '../fixtures.ts';
import { item, type Rig, rig, turns } from './fixtures.ts';
import { type ManualTime, manualTime } from './manual-time.ts';
import type { FaultyDisk } from './memory-disk.ts';

export type Command =
  | { readonly kind: 'append'; readonly sizes: readonly number[] }
  | { readonly kind: 'sync' | 'close' | 'wait' }
  | { readonly kind: 'take'; readonly count: number; readonly acks: readonly number[] }
  | { readonly kind: 'ack'; readonly nth: number }
  | { readonly kind: 'put back'; readonly count: number }
  | { readonly kind: 'aside'; readonly targets: readonly string[] }
  | { readonly kind: 'crash'; readonly draws: readonly number[] }
  | { readonly kind: 'flip'; readonly file: number; readonly bit: number }
  | { readonly kind: 'lose'; readonly file: number }
  | {
      readonly kind: 'fail';
      readonly what: 'create' | 'write' | 'sync' | 'read' | 'replace';
      readonly times: number;
    };

const TARGETS = ['t', 'u'];
/** By the number of its first message. */
const targetOf = (first: number) => TARGETS[first % TARGETS.length] as string;
const small = fc.nat({ max: 9 });
const any = fc.nat({ max: 1_000_000 });

/** Appends are the most likely, as without them nothing happens. */
export const commands: fc.Arbitrary<Command[]> = fc.array(
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        kind: fc.constant('append' as const),
        sizes: fc.array(small, { minLength: 1, maxLength: 4 }),
      }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('sync' as const) }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('close' as const, 'wait' as const) }) },
    {
      weight: 3,
      arbitrary: fc.record({
        kind: fc.constant('take' as const),
        count: small,
        acks: fc.array(small, { maxLength: 6 }),
      }),
    },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('ack' as const), nth: small }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant('put back' as const), count: small }) },
    {
      weight: 1,
      arbitrary: fc.record({ kind: fc.constant('aside' as const), targets: fc.subarray([...TARGETS]) }),
    },
    {
      weight: 2,
      arbitrary: fc.record({
        kind: fc.constant('crash' as const),
        draws: fc.array(any, { minLength: 1, maxLength: 8 }),
      }),
    },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('flip' as const), file: small, bit: any }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('lose' as const), file: small }) },
    {
      weight: 1,
      arbitrary: fc.record({
        kind: fc.constant('fail' as const),
        what: fc.constantFrom(
          'create' as const,
          'write' as const,
          'sync' as const,
          'read' as const,
          'replace' as const,
        ),
        times: fc.integer({ min: 1, max: 3 }),
      }),
    },
  ),
  { minLength: 4, maxLength: 30 },
);

interface Held extends Pick<Taken, 'done' | 'putBack'> {
  readonly first: number;
}

/** What is known of what was appended, by the number of an item's first message. */
interface Model {
  next: number;
  readonly texts: Map<number, string>;
  readonly durable: Set<number>;
  readonly acked: Set<number>;
  /** Was on a place that was damaged. */
  readonly excused: Set<number>;
  /** Appended since the last sync that succeeded. */
  pending: number[];
  held: Held[];
  /** Taken in this life and not put back; each only once, unless the disk refused something before. */
  taken: Set<number>;
  /** By target. */
  readonly lastTaken: Map<string, number>;
  aside: ReadonlySet<string>;
  /** Acknowledged before the spool was closed in order: not to be seen again, as long as no disk errs. */
  settled: Set<number>;
  /** Acknowledged in this life. */
  ackedNow: number[];
  mayRepeat: boolean;
}

interface World {
  readonly disk: FaultyDisk;
  readonly time: ManualTime;
  readonly freshBytes: number;
  readonly model: Model;
  rig: Rig;
}

const textOf = (messages: readonly Message[]) => messages.map(jsonOf).join('\n');
const segmentsOf = ({ disk }: World) =>
  [...disk.files.keys()].filter((path) => path.endsWith('.segment')).sort();

/** Runs the commands, then restarts and takes everything. Rejects where something durable is missing. */
export async function check(
  sequence: readonly Command[],
  freshBytes: number,
  disk: FaultyDisk,
  dir: string,
): Promise<void> {
  const time = manualTime();
  const open = () => rig(disk.session(), { segmentBytes: 1200, freshBytes }, time, dir);
  const model: Model = {
    next: 0,
    texts: new Map(),
    durable: new Set(),
    acked: new Set(),
    excused: new Set(),
    pending: [],
    held: [],
    taken: new Set(),
    lastTaken: new Map(),
    aside: new Set(),
    settled: new Set(),
    ackedNow: [],
    mayRepeat: false,
  };
  const world: World = { disk, time, freshBytes, model, rig: open() };
  const restart = async () => {
    model.pending = [];
    model.ackedNow = [];
    model.held = [];
    model.taken = new Set();
    model.lastTaken.clear();
    world.rig = open();
    for (let tries = 0; tries < 4 && !(await world.rig.spool.flush()); tries++) time.advance(1000);
  };
  for (const command of sequence) {
    switch (command.kind) {
      case 'append':
        append(world, command.sizes);
        break;
      case 'sync':
        await sync(world);
        break;
      case 'wait':
        time.advance(1500);
        await turns();
        break;
      case 'take':
        await take(world, command.count);
        for (const nth of command.acks) ack(world, nth);
        break;
      case 'ack':
        ack(world, command.nth);
        break;
      case 'put back':
        putBack(world, command.count);
        break;
      case 'aside':
        model.aside = new Set(command.targets);
        break;
      case 'close': {
        const left = await world.rig.spool.close();
        const unwritten = new Set(left.map(({ batch }) => numberOf(batch.messages[0] as Message)));
        for (const n of model.pending) if (!unwritten.has(n)) model.durable.add(n);
        for (const n of model.ackedNow) model.settled.add(n);
        await restart();
        break;
      }
      case 'crash': {
        let at = 0;
        model.settled = new Set();
        disk.crash((n) => (command.draws[at++ % command.draws.length] as number) % n);
        await restart();
        break;
      }
      case 'flip':
        damage(world, command.file, command.bit);
        break;
      case 'lose':
        lose(world, command.file);
        break;
      case 'fail':
        model.mayRepeat = true;
        disk.fail(command.what, command.times, 'EIO');
    }
  }
  model.settled = new Set();
  disk.crash(() => 0);
  await restart();
  model.aside = new Set();
  const taken = new Set<number>();
  for (let tries = 0; world.rig.spool.stats().unread > 0 && tries < 5000; tries++) {
    for (const n of await take(world, 1000)) taken.add(n);
  }
  const missing = [...model.durable].filter(
    (n) => !model.acked.has(n) && !model.excused.has(n) && !taken.has(n),
  );
  expect(missing).toEqual([]);
  await world.rig.spool.close();
}

function append({ model, rig: { spool } }: World, sizes: readonly number[]): void {
  const first = model.next;
  const messages = sizes.map((size, i) => message(first + i, { bytes: 110 + size * 20, source: `s${size}` }));
  model.next += sizes.length;
  model.texts.set(first, textOf(messages));
  model.pending.push(first);
  spool.append(item(messages, { target: { key: targetOf(first) } }));
}

async function sync({ model, rig: { spool } }: World): Promise<void> {
  if (!(await spool.flush())) return;
  for (const n of model.pending) model.durable.add(n);
  model.pending = [];
}

/** Takes up to `count` items: each whole, as it was, and behind the one before of its target. What is aside stays. */
async function take({ disk, model, rig: { spool } }: World, count: number): Promise<number[]> {
  const numbers: number[] = [];
  for (let idle = 0; idle < 2 && numbers.length < count; ) {
    const taken = spool.take(model.aside);
    if (taken === undefined) {
      idle++;
      await disk.turn();
      continue;
    }
    const { messages } = taken.item.batch;
    const first = numberOf(messages[0] as Message);
    expect(textOf(messages)).toBe(model.texts.get(first));
    model.durable.add(first);
    if (!model.mayRepeat) expect(model.settled).not.toContain(first);
    const target = targetOf(first);
    expect(taken.onDisk && model.aside.has(target)).toBe(false);
    const last = model.lastTaken.get(target) ?? -1;
    if (!(model.mayRepeat && model.taken.has(first))) expect(first).toBeGreaterThan(last);
    model.taken.add(first);
    model.lastTaken.set(target, Math.max(first, last));
    model.held.push({ ...taken, first });
    numbers.push(first);
  }
  return numbers;
}

function ack({ model }: World, nth: number): void {
  const [held] = model.held.splice(nth % Math.max(1, model.held.length), 1);
  if (held === undefined) return;
  held.done();
  model.acked.add(held.first);
  model.ackedNow.push(held.first);
}

/** Puts back the last ones that were taken, in another order. */
function putBack({ model }: World, count: number): void {
  const last = model.held.splice(Math.max(0, model.held.length - count));
  for (const nth of [0, 3, 2, 1]) {
    for (const { first, putBack } of last.filter((_, at) => at % 4 === nth)) {
      putBack();
      model.taken.delete(first);
      const target = targetOf(first);
      model.lastTaken.set(target, Math.min(first - 1, model.lastTaken.get(target) ?? first));
    }
  }
}

/** Flips a bit of any file; the item there, if there is one, may be lost. */
function damage({ disk, model }: World, file: number, bit: number): void {
  const paths = [...disk.files.keys()].sort();
  const path = paths[file % Math.max(1, paths.length)];
  const bytes = path === undefined ? undefined : disk.files.get(path)?.bytes;
  if (path === undefined || bytes === undefined || bytes.length === 0 || path.endsWith('owner')) return;
  if (path.endsWith('cursor')) model.settled = new Set();
  const at = bit % (bytes.length * 8);
  for (const frame of framesOf(bytes))
    if (frame.at <= at >> 3 && at >> 3 < frame.end) model.excused.add(frame.first);
  disk.flip(path, at);
}

function lose(world: World, file: number): void {
  const paths = segmentsOf(world);
  const path = paths[file % Math.max(1, paths.length)];
  if (path === undefined) return;
  const { disk, model } = world;
  for (const { first } of framesOf(disk.files.get(path)?.bytes ?? Buffer.alloc(0))) model.excused.add(first);
  disk.lose(path);
}

function framesOf(bytes: Buffer) {
  const frames: { readonly at: number; readonly end: number; readonly first: number }[] = [];
  for (let frame = nextFrame(bytes, 0); frame !== undefined; frame = nextFrame(bytes, frame.end)) {
    const { batch } = decodeItem(frame.payload);
    frames.push({ at: frame.at, end: frame.end, first: numberOf(batch.messages[0] as Message) });
  }
  return frames;
}
