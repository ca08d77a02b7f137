import { describe, expect, test } from '@jest/globals';
import type { JsonObject } from '../../src/message.ts';
import { createRun, HOUR_MS, metric, START_MS } from './running.ts';

/** Windows of a second, with a value in each, `seconds` of them; every so many seconds one of a series besides. */
function fed(seconds: number, beginsAt = 0, besides?: { every: number; data: JsonObject }) {
  const run = createRun({ windowMs: 1000, graceMs: 0 });
  for (let at = beginsAt; at < beginsAt + seconds; at++) {
    const atMs = START_MS + at * 1000;
    run.aggregation.add(metric(atMs, { value: 1 }));
    if (besides !== undefined && at % besides.every === 0) run.aggregation.add(metric(atMs, besides.data));
    run.aggregation.closeDue(atMs + 1000);
  }
  /** Where each point begins, in seconds, and what it counts, of each series. */
  const counts = (fromS: number, toS: number, stepS = 1) => {
    const { step_ms, series } = run.query({
      fromMs: START_MS + fromS * 1000,
      toMs: START_MS + toS * 1000,
      stepMs: stepS * 1000,
    });
    const of = series.map(({ points }) =>
      points.map(({ time, count }) => [(Date.parse(time) - START_MS) / 1000, count] as const),
    );
    return { step: step_ms / 1000, of };
  };
  return { ...run, counts };
}

describe('where fine windows end and longer ones go on', () => {
  test.each([1, 64, 150, 240, 299])(
    'no value is missing, nor there twice: %i s into a long one',
    (offset) => {
      const seconds = 1200 + offset;
      const { counts } = fed(seconds);
      for (const stepS of [1, 60, 300, 400, 1000]) {
        const { step, of } = counts(0, seconds, stepS);
        expect(step).toBe(Math.ceil(stepS / 300) * 300);
        expect(of).toEqual([
          Array.from({ length: Math.ceil(seconds / step) }, (_, at) => [
            at * step,
            Math.min(step, seconds - at * step),
          ]),
        ]);
      }
    },
  );

  test('a query that begins in the long one has all of it, as long as any of its windows is forgotten', () => {
    // Kept are 360: those from 904 s on.
    const { counts } = fed(1264);
    for (const stepS of [1, 60]) {
      expect(counts(901, 1264, stepS)).toEqual({
        step: 300,
        of: [
          [
            [900, 300],
            [1200, 64],
          ],
        ],
      });
      expect(counts(903, 960, stepS)).toEqual({ step: 300, of: [[[900, 300]]] });
    }
    expect(counts(904, 907)).toEqual({
      step: 1,
      of: [
        [
          [904, 1],
          [905, 1],
          [906, 1],
        ],
      ],
    });
    expect(counts(0, 100)).toEqual({ step: 300, of: [[[0, 300]]] });
  });

  test('the first point after what is forgotten grows since that', () => {
    const run = createRun({ windowMs: 1000, graceMs: 0 });
    for (let at = 0; at < 1264; at++) {
      run.aggregation.add(metric(START_MS + at * 1000, { value: at * at, kind: 'counter' }));
      run.aggregation.closeDue(START_MS + at * 1000 + 1000);
    }
    const rate = (at: number) =>
      run.query({ fromMs: START_MS + at * 1000, toMs: START_MS + at * 1000 + 1000 }).series[0]?.points[0]
        ?.rate;
    expect(rate(1000)).toBe(1999);
    expect(rate(904)).toBe(1807);
  });

  test('a series that is not forgotten in part is as fine as ever, wherever it began', () => {
    const { counts } = fed(330, 64);
    const { step, of } = counts(0, 400);
    expect(step).toBe(1);
    expect(of).toEqual([Array.from({ length: 330 }, (_, at) => [64 + at, 1])]);
  });

  test('the step is that of the series that is kept the least fine', () => {
    const { counts } = fed(1264, 0, { every: 100, data: { value: 1, tags: { a: 'rare' } } });
    const { step, of } = counts(0, 1264);
    expect(step).toBe(300);
    expect(of.map((points) => points.map(([, count]) => count))).toEqual([
      [3, 3, 3, 3, 1],
      [300, 300, 300, 300, 64],
    ]);
  });

  test('where values are so rare that fine windows go back further than long ones they are all there', () => {
    const run = createRun({ graceMs: 0 });
    // The first is forgotten, and so is the long one that the second is part of.
    const times = [0, 10_000, ...Array.from({ length: 359 }, (_, at) => (at + 1) * 1_800_000)];
    for (const atMs of times) {
      run.aggregation.add(metric(START_MS + atMs, { value: 1 }));
      run.aggregation.closeDue(START_MS + atMs + 10_000);
    }
    const points = run.query({ toMs: START_MS + 200 * HOUR_MS }).series[0]?.points ?? [];
    expect(points.reduce((total, { count }) => total + count, 0)).toBe(360);
  });
});

test('points are in order, and so are their last values, though an older window came after a newer one', () => {
  const run = createRun({ graceMs: 60_000 });
  run.aggregation.add(metric(START_MS + 38_000, { value: 3 }));
  run.aggregation.setOptions({ ...run.aggregation.options(), windowMs: 5000 });
  run.aggregation.add(metric(START_MS + 10_000, { value: 1 }, START_MS + 39_000));
  run.aggregation.add(metric(START_MS + 31_000, { value: 2 }, START_MS + 39_000));
  run.aggregation.closeDue(Number.POSITIVE_INFINITY);
  expect(run.query().series[0]?.points.map(({ sum, last }) => [sum, last])).toEqual([
    [1, 1],
    [5, 3],
  ]);
});
