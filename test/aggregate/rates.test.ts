import { expect, test } from '@jest/globals';
import type { AggregationOptions } from '../../src/aggregate/aggregation.ts';
import { createRender } from '../../src/aggregate/record.ts';
import { dataOf } from '../../src/message.ts';
import { createRun, HOUR_MS, metric, START_MS } from './running.ts';

const SECOND: Partial<AggregationOptions> = { windowMs: 1000, graceMs: 1000 };

/** A counter that grows by 10 a second and is sent every so many milliseconds, for so long. */
function counted(everyMs: number, forMs: number, options: Partial<AggregationOptions> = SECOND) {
  const run = createRun(options);
  const closed = [];
  for (let atMs = 0; atMs < forMs; atMs += everyMs) {
    run.aggregation.add(metric(START_MS + atMs, { value: 1000 + atMs / 100, kind: 'counter' }));
    closed.push(...run.aggregation.closeDue(START_MS + atMs + everyMs));
  }
  const rates = (asked: Parameters<typeof run.query>[0] = {}) =>
    run.query(asked).series[0]?.points.map(({ rate }) => rate) ?? [];
  return { ...run, closed, rates };
}

test('a counter grows since the value before, however many windows are between', () => {
  const { rates } = counted(6000, 60_000);
  expect(rates()).toEqual([0, ...Array.from({ length: 9 }, () => 10)]);
  // Of 20 s these are three or four values each, of 4 s one or none.
  for (const stepMs of [20_000, 4000]) {
    const [first, ...others] = rates({ stepMs });
    expect(first).toBe(0);
    expect(others).toEqual(others.map(() => 10));
  }
});

test('the first point that is asked for grows since the one before, which is not', () => {
  const { rates } = counted(6000, 60_000);
  expect(rates({ fromMs: START_MS + 6000, toMs: START_MS + 13_000 })).toEqual([10, 10]);
  expect(rates({ fromMs: START_MS + 31_000, stepMs: 20_000 })).toEqual([10, 10]);
});

test('a counter that fell began anew at some time since the value before', () => {
  const { aggregation, query } = createRun(SECOND);
  for (const [atMs, value] of [
    [0, 1000],
    [6000, 30],
  ] as const)
    aggregation.add(metric(START_MS + atMs, { value, kind: 'counter' }));
  aggregation.closeDue(Number.POSITIVE_INFINITY);
  expect(query().series[0]?.points.map(({ rate }) => rate)).toEqual([0, 5]);
});

test('long windows, and the first after them, grow since the last value before, wherever it was in its window', () => {
  const { rates } = counted(6000, 3 * HOUR_MS, { ...SECOND, windowMs: 2000 });
  const all = rates({ toMs: START_MS + 3 * HOUR_MS });
  expect(all).toHaveLength(36);
  expect(all.slice(1)).toEqual(all.slice(1).map(() => 10));
  const late = rates({ fromMs: START_MS + 2.9 * HOUR_MS, toMs: START_MS + 3 * HOUR_MS });
  expect(late).toEqual(late.map(() => 10));
});

test('records of windows say the same', () => {
  const { closed } = counted(6000, 30_000);
  const render = createRender(() => 'id', { scheduler: { now: () => START_MS } as never });
  expect(closed.map((one) => dataOf(render(one, 1000)).rate)).toEqual([0, 10, 10, 10, 10]);
});
