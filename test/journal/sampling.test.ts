import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { createSampling } from '../../src/journal/sampling.ts';

/** So many a second, whatever came before. */
const only = (kept: number) => ({ kept, flood: Number.POSITIVE_INFINITY, keptInFlood: 0 });

test('below the rate all are covered', () => {
  const sampling = createSampling(only(10));
  for (let ms = 0; ms < 5000; ms += 101) {
    expect(sampling.covers(ms)).toBe(true);
    sampling.kept(ms, 1);
    expect(sampling.covers(ms)).toBe(true);
  }
});

test('above it those are that come first in each second, and the next second begins anew', () => {
  const sampling = createSampling(only(10));
  for (let ms = 7000; ms < 7500; ms += 10) if (sampling.covers(ms)) sampling.kept(ms, 5);
  expect([7000, 7010].map(sampling.covers)).toEqual([true, true]);
  expect([7011, 7999].map(sampling.covers)).toEqual([false, false]);
  expect(sampling.covers(8000)).toBe(true);
  expect(sampling.covers(7011)).toBe(false);
});

test('says the same of a message later on, for as long as minutes', () => {
  const sampling = createSampling(only(1));
  sampling.kept(500, 1);
  for (let second = 1; second < 200; second++) sampling.kept(second * 1000, 1);
  expect([sampling.covers(500), sampling.covers(501)]).toEqual([true, false]);
});

test('in a second after a flood fewer are kept, until the flood is over', () => {
  const sampling = createSampling({ kept: 10, flood: 100, keptInFlood: 2 });
  /** How many are kept of so many that come at the beginning of a second. */
  const keptOf = (second: number, messages: number) => {
    let kept = 0;
    for (let n = 0; n < messages; n++) {
      const ms = second * 1000 + n;
      sampling.seen(ms, 1);
      if (!sampling.covers(ms)) continue;
      sampling.kept(ms, 1);
      kept++;
    }
    return kept;
  };
  expect([keptOf(1, 101), keptOf(2, 101), keptOf(3, 100), keptOf(4, 100)]).toEqual([10, 2, 2, 10]);
  // Nothing is known of the second before.
  expect([keptOf(6, 200), keptOf(8, 200), keptOf(9, 200)]).toEqual([10, 10, 2]);
});

test('a message is covered for good once it was kept, whatever else is kept', () => {
  const kept = fc.array(fc.tuple(fc.integer({ min: 0, max: 4999 }), fc.integer({ min: 1, max: 20 })));
  fc.assert(
    fc.property(kept, (all) => {
      const sampling = createSampling(only(30));
      const sum = new Map<number, number>();
      for (const [ms, messages] of all.toSorted(([a], [b]) => a - b)) {
        if (!sampling.covers(ms)) continue;
        sampling.kept(ms, messages);
        sum.set(Math.floor(ms / 1000), (sum.get(Math.floor(ms / 1000)) ?? 0) + messages);
        expect(sampling.covers(ms)).toBe(true);
      }
      // One batch, and those of the same millisecond, may go beyond it.
      expect(Math.max(0, ...sum.values())).toBeLessThan(30 + 20 * all.length);
    }),
  );
});
