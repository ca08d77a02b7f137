import { expect, test } from '@jest/globals';
import { createIds } from '../../src/ingest/ids.ts';

const UUID_V7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
const timeOf = (id: string) => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16);

test.each([0, 1, 1_760_956_245_123, 2 ** 47])('is a UUIDv7 of the time %d', (nowMs) => {
  const id = createIds(Math.random).next(nowMs);
  expect(id).toMatch(UUID_V7);
  expect(timeOf(id)).toBe(nowMs);
});

test('is ordered and unique over millions, within one millisecond and beyond what one can hold', () => {
  const { next } = createIds(Math.random);
  const ordered = (nowMs: number, count: number, before: string) => {
    let last = before;
    for (let n = 0; n < count; n++) {
      const id = next(nowMs);
      // No `expect` a turn: it would take a minute.
      if (id <= last) throw new Error(`${id} after ${last}`);
      last = id;
    }
    return last;
  };
  let last = ordered(1000, 4096 * 4096 + 10, '');
  expect([last, timeOf(last)]).toEqual([expect.stringMatching(UUID_V7), 1001]);
  last = ordered(1001, 5000, last);
  last = ordered(1500, 5000, last);
  expect(timeOf(last)).toBe(1500);
});

test('stays ordered when the clock is set back, and follows it again once it has caught up', () => {
  const { next } = createIds(() => 0.5);
  const ids = [5000, 4000, 1, 4999, 5000, 5001].map(next);
  expect(ids).toEqual([...ids].sort());
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids.map(timeOf)).toEqual([5000, 5000, 5000, 5000, 5000, 5001]);
});

test('two processes do not meet', () => {
  const { next: one } = createIds(Math.random);
  const { next: other } = createIds(Math.random);
  expect(one(1).slice(-12)).not.toBe(other(1).slice(-12));
  expect(createIds(() => 0).next(1)).toBe('00000000-0001-7000-8000-000000000000');
  expect(createIds(() => 1 - Number.EPSILON).next(1)).toBe('00000000-0001-7000-8000-ffffffffffff');
});
