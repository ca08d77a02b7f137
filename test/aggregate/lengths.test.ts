import { describe, expect, test } from '@jest/globals';
import type { MetricQuery } from '../../src/aggregate/view.ts';
import { createRun, HOUR_MS, metric, OPTIONS, START_MS } from './running.ts';

const GRACE_MS = 1000;

/** A run whose windows are given another length while a value comes each second. */
function createChanging(kind: 'gauge' | 'counter', startMs = START_MS) {
  const run = createRun({ graceMs: GRACE_MS });
  let atMs = 0;
  /** A value each so many milliseconds until then: 1 a second, or a counter that grows so. */
  const feed = (windowMs: number, untilMs: number, everyMs = 1000) => {
    run.aggregation.setOptions({ ...OPTIONS, graceMs: GRACE_MS, windowMs });
    for (; atMs < untilMs; atMs += everyMs) {
      const value = kind === 'gauge' ? everyMs / 1000 : 5000 + atMs / 1000;
      run.aggregation.add(metric(startMs + atMs, { value, kind }));
      run.aggregation.closeDue(startMs + atMs);
    }
  };
  const asked = (query: Partial<MetricQuery> = {}) => {
    run.aggregation.closeDue(Number.POSITIVE_INFINITY);
    const { step_ms, series } = run.query(query);
    const points = series[0]?.points ?? [];
    return {
      step_ms,
      times: points.map(({ time }) => (Date.parse(time) - START_MS) / 1000),
      counts: points.map(({ count }) => count),
      sum: points.reduce((total, { sum }) => total + sum, 0),
      rates: points.map(({ rate }) => rate),
    };
  };
  return { feed, asked };
}

const times = (n: number, value: number) => Array.from({ length: n }, () => value);

describe('windows that are made', () => {
  test('shorter leave the ones before as long as they were, and the step is no shorter', () => {
    const { feed, asked } = createChanging('gauge');
    feed(10_000, 60_000);
    feed(1000, 120_000);
    expect(asked()).toMatchObject({ step_ms: 10_000, counts: times(12, 10), rates: times(12, 1) });
    expect(asked({ stepMs: 15_000 })).toMatchObject({ step_ms: 20_000, counts: times(6, 20) });
    const later = { fromMs: START_MS + 60_000, toMs: START_MS + 120_000 };
    expect(asked(later)).toMatchObject({ step_ms: 1000, counts: times(60, 1), rates: times(60, 1) });
  });

  test('longer ask for a longer step', () => {
    const { feed, asked } = createChanging('gauge');
    feed(1000, 60_000);
    feed(10_000, 120_000);
    expect(asked()).toMatchObject({ step_ms: 10_000, counts: times(12, 10), rates: times(12, 1) });
  });

  test('shorter in the middle of one keep its values and their rate', () => {
    const { feed, asked } = createChanging('gauge');
    feed(10_000, 65_000);
    feed(1000, 120_000);
    expect(asked()).toMatchObject({ step_ms: 10_000, counts: times(12, 10), rates: times(12, 1) });
  });

  test.each([
    [10_000, 1000],
    [1000, 10_000],
  ])('another length leave the rate of a counter as it is: %i to %i', (before, after) => {
    const { feed, asked } = createChanging('counter');
    feed(before, 60_000);
    feed(after, 120_000);
    expect(asked()).toMatchObject({ step_ms: 10_000, rates: [0, ...times(11, 1)] });
    expect(asked({ fromMs: START_MS + 60_000, toMs: START_MS + 120_000 }).rates).toEqual(
      times(60_000 / after, 1),
    );
  });

  test('much shorter are joined by five minutes in their turn, and those before are an hour long', () => {
    const { feed, asked } = createChanging('gauge');
    feed(HOUR_MS, 2 * HOUR_MS, 10_000);
    feed(1000, 3 * HOUR_MS);
    const hour = { fromMs: START_MS + 2 * HOUR_MS, toMs: START_MS + 3 * HOUR_MS };
    expect(asked(hour)).toMatchObject({ step_ms: 300_000, rates: times(12, 1) });
    const all = asked({ toMs: START_MS + 3 * HOUR_MS });
    expect(all).toMatchObject({ step_ms: HOUR_MS, counts: [360, 360, 3600], rates: [1, 1, 1] });
  });

  test('another length are told apart in long ones that begin at the same time', () => {
    // A multiple of 300 s, and of 301 s, as long ones of seven seconds are.
    const startMs = Math.ceil(START_MS / 90_300_000) * 90_300_000;
    const { feed, asked } = createChanging('gauge', startMs);
    feed(1000, 98_000);
    feed(7000, 2_282_000);
    expect(asked({ fromMs: startMs, toMs: startMs + HOUR_MS })).toMatchObject({
      step_ms: 301_000,
      sum: 2282,
    });
  });
});
