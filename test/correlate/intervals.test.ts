import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { addInterval, type Interval, lengthMs, subtract, unionOf } from '../../src/correlate/intervals.ts';

const union = (...pairs: readonly (readonly [number, number])[]) =>
  pairs.reduce<readonly Interval[]>((all, [from, to]) => addInterval(all, { from, to }), []);
const pairsOf = (intervals: readonly Interval[]) => intervals.map(({ from, to }) => [from, to]);

describe('addInterval', () => {
  test.each([
    [
      'apart',
      [
        [5, 6],
        [1, 2],
      ],
      [
        [1, 2],
        [5, 6],
      ],
    ],
    [
      'overlapping',
      [
        [1, 4],
        [3, 6],
      ],
      [[1, 6]],
    ],
    [
      'touching',
      [
        [1, 3],
        [3, 6],
      ],
      [[1, 6]],
    ],
    [
      'inside',
      [
        [1, 9],
        [3, 6],
      ],
      [[1, 9]],
    ],
    [
      'around several',
      [
        [1, 2],
        [4, 5],
        [8, 9],
        [0, 6],
      ],
      [
        [0, 6],
        [8, 9],
      ],
    ],
    ['empty', [[3, 3]], [[3, 3]]],
  ] as const)('%s', (_, pairs, expected) => {
    expect(pairsOf(union(...pairs))).toEqual(expected);
  });

  test('leaves what it was given alone', () => {
    const before = Object.freeze([{ from: 1, to: 2 }]);
    expect(addInterval(before, { from: 2, to: 3 })).not.toBe(before);
  });

  test('keeps at most 64, by closing the smallest gap', () => {
    const pairs = Array.from({ length: 64 }, (_, n) => [n * 10, n * 10 + 1] as const);
    const full = union(...pairs, [642, 643]);
    expect(full).toHaveLength(64);
    expect(full[0]).toEqual({ from: 0, to: 11 });
    const closed = union(...pairs, [633, 634]);
    expect(closed).toHaveLength(64);
    expect(closed.at(-1)).toEqual({ from: 630, to: 634 });
  });

  test('is the union, sorted and disjoint', () => {
    const anyPair = fc.tuple(fc.nat(60), fc.nat(5)).map(([from, length]) => [from, from + length] as const);
    fc.assert(
      fc.property(fc.array(anyPair, { maxLength: 30 }), (pairs) => {
        const intervals = union(...pairs);
        for (let ms = 0; ms < 66; ms++) {
          const isIn = (from: number, to: number) => from <= ms && ms < to;
          const covered = intervals.filter(({ from, to }) => isIn(from, to)).length;
          expect(covered).toBe(pairs.some(([from, to]) => isIn(from, to)) ? 1 : 0);
        }
        expect([...intervals].sort((a, b) => a.from - b.from)).toEqual(intervals);
      }),
    );
  });
});

test('lengthMs', () => {
  expect(lengthMs([])).toBe(0);
  expect(lengthMs(union([1, 3], [5, 5.5]))).toBe(2.5);
});

const covered = (intervals: readonly Interval[], ms: number) =>
  intervals.some(({ from, to }) => from <= ms && ms < to);
const someIntervals = fc.array(
  fc.tuple(fc.nat(60), fc.nat(9)).map(([from, length]) => ({ from, to: from + length })),
  { maxLength: 80 },
);

test('unionOf and subtract cover what they should, millisecond by millisecond, however many there are', () => {
  fc.assert(
    fc.property(someIntervals, someIntervals, (one, other) => {
      const [a, b] = [unionOf(one), unionOf(other)];
      const left = subtract(a, b);
      for (let ms = 0; ms < 75; ms++) {
        expect(covered(a, ms)).toBe(covered(one, ms));
        expect(covered(left, ms)).toBe(covered(one, ms) && !covered(other, ms));
      }
      for (const list of [a, left])
        for (const [at, { from }] of list.entries()) expect(from >= (list[at - 1]?.to ?? 0)).toBe(true);
    }),
  );
});
