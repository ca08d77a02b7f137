import { expect, test } from '@jest/globals';
import { type Batch, createBatch } from '../../src/batch.ts';
import { createSizing } from '../../src/sinks/s3/sizing.ts';
import { collectGarbage } from '../deliver/garbage.ts';
import { eventually, message } from './support.ts';

const TARGET = 1_000_000;
/** What is needed to tell a ratio. */
const ENOUGH = 512 * 1024;

/** A batch that says that it has so many bytes. */
const batchOf = (bytes: number): Batch => createBatch([message()], bytes, 'count');

function sizing(measure: (sample: readonly Batch[]) => Promise<number>) {
  const measured: number[] = [];
  const sized = createSizing({
    targetBytes: TARGET,
    maxMessages: 1000,
    measure: (sample) => {
      measured.push(sample.length);
      return measure(sample);
    },
  });
  /** Bytes that an object of a target is filled with, but for the half batch more. */
  const fill = (target: string, bytes = 1000) => sized.limits(target, batchOf(bytes)).maxBytes - bytes / 2;
  return { ...sized, measured, fill };
}

test('a target goes by a guess until enough was seen of it, then by a sample', async () => {
  const { fill, measured } = sizing(async () => ENOUGH / 4);
  expect(fill('a/', ENOUGH / 2)).toBe(TARGET * 10);
  expect(fill('a/', ENOUGH / 2)).toBe(TARGET * 10);
  await eventually(() => expect(fill('a/')).toBe(TARGET * 4));
  expect(measured).toEqual([2]);
});

test('what comes while the sample is measured does not begin another', () => {
  const { fill, measured } = sizing(() => new Promise(() => {}));
  for (let n = 0; n < 10; n++) fill('a/', ENOUGH);
  expect(measured).toEqual([1]);
});

test('a sample that could not be measured is taken again', async () => {
  let tries = 0;
  const { fill } = sizing(async () => {
    if (++tries === 1) throw new Error('no memory');
    return ENOUGH / 2;
  });
  fill('a/', ENOUGH);
  await eventually(() => expect(fill('a/', ENOUGH)).toBe(TARGET * 2));
});

test('every object teaches, the newest most; one that is too small does not', () => {
  const { fill, learn } = sizing(async () => 0);
  learn('a/', ENOUGH - 1, ENOUGH);
  expect(fill('a/')).toBe(TARGET * 10);
  learn('a/', 1_000_000, 200_000);
  expect(fill('a/')).toBe(TARGET * 5);
  learn('a/', 1_000_000, 600_000);
  expect(fill('a/')).toBe(TARGET * 2.5);
});

test('what is known of yesterday holds today, and for nobody else', () => {
  const { fill, learn } = sizing(async () => 0);
  learn('logs/web/2025/10/20/', 1_000_000, 500_000);
  expect(fill('logs/web/2025/10/21/')).toBe(TARGET * 2);
  expect(fill('logs/db/2025/10/21/')).toBe(TARGET * 10);
});

test('a sample that never got enough is let go with the object', async () => {
  const { limits, learn } = sizing(async () => 0);
  const seen = new WeakRef(batchOf(1000));
  limits('a/', seen.deref()!);
  learn('a/', 1000, 500);
  await collectGarbage(() => seen.deref() === undefined);
  expect(seen.deref()).toBeUndefined();
}, 60_000);

test('targets without end take no memory without end', () => {
  const { fill, learn } = sizing(async () => 0);
  learn('first/', 1_000_000, 500_000);
  const name = (n: number) => n.toString(2).replace(/0/g, 'a').replace(/1/g, 'b');
  for (let n = 0; n < 5000; n++) fill(name(n));
  expect(fill('first/')).toBe(TARGET * 10);
});
