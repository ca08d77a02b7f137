import { describe, expect, test } from '@jest/globals';
import type { AggregationOptions } from '../../src/aggregate/aggregation.ts';
import { createRender } from '../../src/aggregate/record.ts';
import type { MetricQuery } from '../../src/aggregate/view.ts';
import { dataOf, type JsonObject, recordOf } from '../../src/message.ts';
import { createRun, HOUR_MS, metric, OPTIONS, START_MS } from './running.ts';

/** The only point of values that were all sent in one window. */
function pointOf(values: readonly number[]) {
  const { aggregation, query } = createRun();
  for (const value of values) aggregation.add(metric(START_MS, { value }));
  aggregation.closeDue(START_MS + 15_000);
  return query().series[0]?.points[0];
}

/** 1 … n in an order that is none. */
const shuffled = (n: number) => Array.from({ length: n }, (_, at) => ((at * 7919) % n) + 1);

describe('a window', () => {
  test('of few values has exact quantiles', () => {
    expect(pointOf(shuffled(64))).toEqual({
      time: new Date(START_MS).toISOString(),
      count: 64,
      sum: 2080,
      min: 1,
      max: 64,
      last: 18,
      rate: 208,
      p50: 32,
      p90: 58,
      p99: 64,
    });
    expect(pointOf([5])).toMatchObject({ p50: 5, p90: 5, p99: 5, min: 5, max: 5 });
  });

  test.each([65, 128, 129, 10_000])('of %i values has quantiles within 1 %%', (n) => {
    const point = pointOf(shuffled(n));
    expect(point).toMatchObject({ count: n, sum: (n * (n + 1)) / 2, min: 1, max: n });
    for (const [quantile, q] of [
      [point?.p50, 0.5],
      [point?.p90, 0.9],
      [point?.p99, 0.99],
    ] as const) {
      expect(Math.abs((quantile ?? 0) - q * n)).toBeLessThanOrEqual(q * n * 0.01 + 1);
    }
  });

  test('of negative values, of zeros, and of values far apart too', () => {
    const below = pointOf(shuffled(1000).map((value) => -value));
    expect(below?.p50).toBeGreaterThan(-506);
    expect(below?.p50).toBeLessThan(-494);
    expect(below).toMatchObject({ min: -1000, max: -1 });
    expect(pointOf(Array.from({ length: 100 }, () => 0))).toMatchObject({ p50: 0, p99: 0, sum: 0 });
    const far = pointOf(Array.from({ length: 200 }, (_, at) => (at % 2 === 0 ? 1e-300 : 1e300)));
    expect(far?.p99).toBeGreaterThan(0.99e300);
    expect(far).toMatchObject({ min: 1e-300, max: 1e300 });
  });

  test('of equal values has that for each of its quantiles', () => {
    expect(pointOf(Array.from({ length: 100 }, () => 7))).toMatchObject({ p50: 7, p90: 7, p99: 7 });
  });

  test('its last value is the latest by its time, of equals the one that came later', () => {
    const { aggregation, query } = createRun();
    aggregation.add(metric(START_MS + 5, { value: 1 }));
    aggregation.add(metric(START_MS + 5, { value: 2 }));
    aggregation.add(metric(START_MS + 4, { value: 3 }, START_MS + 6));
    expect([...aggregation.series()]).toMatchObject([{ last: 2, lastMs: START_MS + 5, count: 3, sum: 6 }]);
    aggregation.closeDue(START_MS + 15_000);
    expect(query().series[0]?.points).toMatchObject([{ last: 2 }]);
  });

  test('a clock that is ahead by more than the grace counts now; one that is less so, in its own window', () => {
    const { aggregation, query } = createRun();
    aggregation.add(metric(START_MS + HOUR_MS, { value: 1 }, START_MS + 1));
    aggregation.add(metric(START_MS + 10_000, { value: 2 }, START_MS + 5000));
    aggregation.closeDue(Number.POSITIVE_INFINITY);
    expect(query().series[0]?.points.map(({ time, sum }) => [Date.parse(time) - START_MS, sum])).toEqual([
      [0, 1],
      [10_000, 2],
    ]);
  });

  test('is open until its grace is over, to the millisecond', () => {
    const { aggregation } = createRun();
    aggregation.add(metric(START_MS + 9999, { value: 1 }, START_MS + 14_999));
    expect(aggregation.stats().late).toBe(0);
    expect(aggregation.dueMs()).toBe(START_MS + 15_000);
    expect(aggregation.closeDue(START_MS + 14_999)).toEqual([]);
    expect(aggregation.hasOpen()).toBe(true);
    expect(aggregation.closeDue(START_MS + 15_000)).toHaveLength(1);
    expect(aggregation.hasOpen()).toBe(false);
    aggregation.add(metric(START_MS + 9999, { value: 1 }, START_MS + 15_000));
    expect(aggregation.stats().late).toBe(1);
    expect(aggregation.dueMs()).toBeUndefined();
  });

  test('the oldest of all series is due first', () => {
    const { aggregation } = createRun({ graceMs: 60_000 });
    for (const [name, at] of [
      ['a', 20_000],
      ['b', 0],
      ['c', 10_000],
    ] as const) {
      aggregation.add(metric(START_MS + at, { name, value: 1 }, START_MS + 20_000));
    }
    expect(aggregation.dueMs()).toBe(START_MS + 70_000);
  });

  test('those of one series close in order of their start', () => {
    const { aggregation } = createRun({ graceMs: 60_000 });
    for (const at of [30_000, 10_000, 20_000, 0]) {
      aggregation.add(metric(START_MS + at, { value: at }, START_MS + 30_000));
    }
    const closed = aggregation.closeDue(START_MS + 200_000);
    expect(closed.map(({ window, before }) => [window.sum, before?.last])).toEqual([
      [0, undefined],
      [10_000, 0],
      [20_000, 10_000],
      [30_000, 20_000],
    ]);
  });
});

test('windows of another length are found anew, and all are closed where it is switched off', () => {
  const { aggregation } = createRun({ graceMs: 60_000 });
  const add = (atMs: number, value: number) =>
    aggregation.add(metric(START_MS + atMs, { value }, START_MS + 20_000));
  add(12_000, 1);
  const shorter = { ...OPTIONS, windowMs: 5000, graceMs: 60_000 };
  expect(aggregation.setOptions(shorter).map(({ window }) => window.sum)).toEqual([1]);
  add(13_000, 2);
  expect(aggregation.dueMs()).toBe(START_MS + 75_000);
  add(7000, 3);
  expect(aggregation.dueMs()).toBe(START_MS + 70_000);
  add(14_000, 5);
  expect(aggregation.setOptions({ ...shorter, emit: false })).toEqual([]);
  expect(
    aggregation.setOptions({ ...shorter, enabled: false }).map(({ window }) => [window.startMs, window.sum]),
  ).toEqual([
    [START_MS + 5000, 3],
    [START_MS + 10_000, 7],
  ]);
  add(13_000, 4);
  expect(aggregation.hasOpen()).toBe(false);
});

test('more values than are noted at once, of several series, all arrive in their order', () => {
  const { aggregation, query } = createRun();
  for (let n = 0; n < 20_000; n++) {
    aggregation.add(metric(START_MS + (n % 20_000), { value: n, tags: { of: `t${n % 3}` } }));
  }
  aggregation.closeDue(Number.POSITIVE_INFINITY);
  const { series } = query();
  expect(
    series.map(({ points }) => points.map(({ count, min, max, last }) => [count, min, max, last])),
  ).toEqual([
    [
      [3334, 0, 9999, 9999],
      [3333, 10_002, 19_998, 19_998],
    ],
    [
      [3333, 1, 9997, 9997],
      [3334, 10_000, 19_999, 19_999],
    ],
    [
      [3333, 2, 9998, 9998],
      [3333, 10_001, 19_997, 19_997],
    ],
  ]);
});

/** A gauge's value every 10 s for so long. */
function fed(
  hours: number,
  options: Partial<AggregationOptions> = {},
  data: (n: number) => JsonObject = (n) => ({ value: n }),
  each = 1,
) {
  const run = createRun(options);
  const windows = (hours * HOUR_MS) / 10_000;
  for (let n = 0; n < windows; n++) {
    const nowMs = START_MS + n * 10_000;
    for (let at = 0; at < each; at++) run.aggregation.add(metric(nowMs, data(n)));
    run.aggregation.closeDue(nowMs + 15_000);
  }
  return run;
}

describe('history', () => {
  test('an hour is kept as fine as it was, the time before by five minutes', () => {
    const { query } = fed(3);
    const fine = query({ fromMs: START_MS + 2 * HOUR_MS, toMs: START_MS + 3 * HOUR_MS });
    expect(fine.step_ms).toBe(10_000);
    expect(fine.series[0]?.points).toHaveLength(360);
    expect(fine.series[0]?.points[0]).toMatchObject({ count: 1, sum: 720, last: 720, p50: 720 });
    const all = query({ toMs: START_MS + 3 * HOUR_MS });
    expect(all.step_ms).toBe(300_000);
    const points = all.series[0]?.points ?? [];
    expect(points).toHaveLength(36);
    expect(points.map(({ count }) => count)).toEqual(points.map(() => 30));
    expect(points[0]).toMatchObject({
      sum: 435,
      min: 0,
      max: 29,
      last: 29,
      rate: 1.45,
      p50: 14,
      p90: 26,
      p99: 29,
    });
    expect(points[0]?.time).toBe(new Date(START_MS).toISOString());
    // Of several fine windows no quantile can be told.
    expect(points.at(-1)).toMatchObject({ min: 1050, max: 1079, last: 1079 });
    expect(points.at(-1)).not.toHaveProperty('p50');
  });

  test('a day is kept, and no more', () => {
    const { query } = fed(30);
    const points = query({ toMs: START_MS + 30 * HOUR_MS }).series[0]?.points ?? [];
    const first = Date.parse(points[0]?.time ?? '') - START_MS;
    expect(first).toBeGreaterThanOrEqual(5 * HOUR_MS);
    expect(first).toBeLessThanOrEqual(6 * HOUR_MS);
    expect(points.at(-1)).toMatchObject({ max: 30 * 360 - 1 });
  });

  test.each([
    ['few', 2],
    ['more than are kept', 3],
    ['many', 70],
  ])('longer windows are made of all values of theirs, %s', (_, each) => {
    const { aggregation, query } = createRun();
    for (let n = 0; n < 800; n++) {
      const nowMs = START_MS + n * 10_000;
      // Falling, and half of them zero.
      for (let at = 0; at < each; at++) aggregation.add(metric(nowMs, { value: n % 2 === 0 ? 0 : 1000 - n }));
      aggregation.closeDue(nowMs + 15_000);
    }
    const [point] = query({ toMs: START_MS + HOUR_MS / 2 }).series[0]?.points ?? [];
    const sum = each * Array.from({ length: 15 }, (_, at) => 999 - 2 * at).reduce((all, one) => all + one);
    expect(point).toMatchObject({ count: 30 * each, sum, min: 0, max: 999, last: 971, p50: 0 });
    expect(Math.abs((point?.p90 ?? 0) - 993)).toBeLessThan(10);
  });

  test('none of them is forgotten once they are many', () => {
    const { query } = fed(2.5, {}, (n) => ({ value: n % 30 < 20 ? 1 : 100 }), 3);
    const [point] = query({ toMs: START_MS + HOUR_MS / 2 }).series[0]?.points ?? [];
    expect(point).toMatchObject({ count: 90, p90: 100 });
    expect(point?.p50).toBeCloseTo(1, 1);
  });

  test('longer windows are made of whole sketches: of many values, of negative ones, and of those around 1', () => {
    const many = (n: number, at: number) => [-1, 1, 0.5, -20][(n + at) % 4] as number;
    const { aggregation, query } = createRun();
    for (let n = 0; n < 800; n++) {
      const nowMs = START_MS + n * 10_000;
      for (let at = 0; at < 100; at++) aggregation.add(metric(nowMs, { value: many(n, at) }));
      aggregation.closeDue(nowMs + 15_000);
    }
    const [point] = query({ toMs: START_MS + HOUR_MS / 2 }).series[0]?.points ?? [];
    expect(point).toMatchObject({ count: 3000, min: -20, max: 1 });
    // A quarter each of -20, -1, 0.5 and 1.
    expect(point?.p50).toBeCloseTo(-1, 1);
    expect(point?.p90).toBeCloseTo(1, 1);
  });

  test('steps join windows, as many as were asked for, and at most 2,000 points', () => {
    const { query } = fed(1);
    const hour = { toMs: START_MS + HOUR_MS };
    const minutes = query({ ...hour, stepMs: 60_000 });
    expect(minutes.step_ms).toBe(60_000);
    expect(minutes.series[0]?.points).toHaveLength(60);
    expect(minutes.series[0]?.points[1]).toEqual({
      time: new Date(START_MS + 60_000).toISOString(),
      count: 6,
      sum: 51,
      min: 6,
      max: 11,
      last: 11,
      rate: 0.85,
    });
    // Not a multiple of the window: the next one.
    expect(query({ ...hour, stepMs: 15_000 }).step_ms).toBe(20_000);
    expect(query({ ...hour, stepMs: 1 }).step_ms).toBe(10_000);
    const { query: long } = fed(1, { windowMs: 1000 });
    expect(long({ fromMs: START_MS, toMs: START_MS + 10_000_000 }).step_ms).toBe(5000);
  });

  test('a window without values has no point; what is outside is left out', () => {
    const { aggregation, query } = createRun();
    for (const at of [0, 50_000]) aggregation.add(metric(START_MS + at, { value: 1 }));
    aggregation.closeDue(Number.POSITIVE_INFINITY);
    const times = (asked: Partial<MetricQuery>) =>
      query(asked).series[0]?.points.map(({ time }) => Date.parse(time) - START_MS);
    expect(times({})).toEqual([0, 50_000]);
    expect(times({ toMs: START_MS + 50_000 })).toEqual([0]);
    expect(times({ fromMs: START_MS + 1 })).toEqual([50_000]);
  });
});

describe('rates', () => {
  test('of a counter are its growth; one that fell began anew', () => {
    const counts = [100, 150, 150, 20];
    const { query } = fed(4 / 360, {}, (n) => ({
      value: counts[n] as number,
      kind: 'counter',
      unit: 'rows',
    }));
    const [series] = query().series;
    expect(series).toMatchObject({ kind: 'counter', unit: 'rows' });
    expect(series?.points.map(({ rate }) => rate)).toEqual([0, 5, 0, 2]);
  });

  test('of all else are the sum a second', () => {
    const { query } = fed(2 / 360, {}, () => ({ value: 7 }));
    expect(query().series[0]?.points.map(({ rate }) => rate)).toEqual([0.7, 0.7]);
    expect(query().series[0]).not.toHaveProperty('kind');
    expect(query().series[0]).not.toHaveProperty('unit');
  });
});

test('a window becomes a record of its source', () => {
  const run = createRun();
  for (const value of [4, 1, 2]) {
    run.aggregation.add(metric(START_MS + value, { value, unit: 'rows', kind: 'gauge', tags: { to: 'x' } }));
  }
  const render = createRender((nowMs) => `id-${nowMs - START_MS}`, {
    scheduler: { now: () => START_MS + 15_000 } as never,
  });
  const [message] = run.aggregation.closeDue(START_MS + 15_000).map((closed) => render(closed, 10_000));
  expect(message).toMatchObject({
    id: 'id-15000',
    source: 's',
    type: 'metric',
    timeMs: START_MS,
    receivedMs: START_MS + 15_000,
    jobId: '',
    traceId: '',
  });
  if (message === undefined) throw new Error('no message');
  expect(recordOf(message).timestamp).toBe(new Date(START_MS).toISOString());
  expect(dataOf(message)).toEqual({
    name: 'n',
    value: 7 / 3,
    unit: 'rows',
    tags: { to: 'x' },
    kind: 'aggregate',
    window_ms: 10_000,
    count: 3,
    sum: 7,
    min: 1,
    max: 4,
    last: 4,
    rate: 0.7,
    p50: 2,
    p90: 4,
    p99: 4,
  });
});

describe('series', () => {
  const names = ({ windows }: ReturnType<typeof createRun>, ...args: Parameters<typeof windows.series>) => {
    const { series, next } = windows.series(...args);
    return {
      names: series.map(({ name, source, tags }) => `${name} ${source} ${Object.values(tags)}`),
      next,
    };
  };
  const ALL = { isSource: undefined, name: undefined };
  const several = () => {
    const run = createRun();
    for (const [name, source, to] of [
      ['b', 's', 'y'],
      ['a', 't', 'x'],
      ['b', 's', 'x'],
      ['a', 's', 'x'],
    ] as const) {
      run.aggregation.add(metric(START_MS, { name, value: 1, tags: { to } }, START_MS, source));
    }
    return run;
  };

  test('come in order, by pages', () => {
    const run = several();
    const first = names(run, ALL, 3);
    expect(first.names).toEqual(['a s x', 'a t x', 'b s x']);
    expect(names(run, ALL, 3, first.next)).toEqual({ names: ['b s y'], next: undefined });
    expect(names(run, ALL, 4)).toMatchObject({ next: undefined });
    expect(names(run, ALL, 3, 'no-cursor')).toEqual({ names: [], next: undefined });
  });

  test('say on every page how many names the filter has', () => {
    const { windows } = several();
    const first = windows.series(ALL, 1);
    expect(first).toMatchObject({ names: 2, series: [{ name: 'a' }] });
    expect(windows.series(ALL, 3, first.next)).toMatchObject({ names: 2 });
    expect(windows.series(ALL, 3, 'no-cursor')).toEqual({ names: 2, series: [] });
    expect(windows.series({ isSource: undefined, name: 'b' }, 1)).toMatchObject({ names: 1 });
    expect(windows.series({ isSource: (source) => source === 't', name: 'b' }, 1)).toMatchObject({
      names: 0,
    });
  });

  test('those that are wanted', () => {
    const run = several();
    expect(names(run, { isSource: (source) => source === 't', name: undefined }, 9).names).toEqual(['a t x']);
    expect(names(run, { isSource: undefined, name: 'b' }, 9).names).toEqual(['b s x', 'b s y']);
    run.aggregation.closeDue(Number.POSITIVE_INFINITY);
    const sources = (asked: Partial<MetricQuery>) =>
      run.query(asked).series.map(({ source, tags }) => [source, tags.to]);
    expect(sources({ name: 'a', isSource: (source) => source === 't' })).toEqual([['t', 'x']]);
    expect(sources({ name: 'b', tags: [['to', 'y']] })).toEqual([['s', 'y']]);
    expect(sources({ name: 'b', tags: [['to', 'z']] })).toEqual([]);
    expect(sources({ name: 'c' })).toEqual([]);
  });

  test('an answer has at most a hundred', () => {
    const run = createRun();
    for (let n = 0; n <= 100; n++) run.aggregation.add(metric(START_MS, { value: n, tags: { n } }));
    run.aggregation.closeDue(Number.POSITIVE_INFINITY);
    expect(run.query().series.map(({ points }) => points.map(({ count }) => count))).toEqual(
      Array.from({ length: 100 }, () => [1]),
    );
  });

  test('what was last stays so, if an older value comes after a change of the windows', () => {
    const run = createRun({ graceMs: 60_000 });
    run.aggregation.add(metric(START_MS + 30_000, { value: 3 }));
    run.aggregation.setOptions({ ...OPTIONS, graceMs: 60_000, windowMs: 5000 });
    run.aggregation.add(metric(START_MS + 10_000, { value: 1 }, START_MS + 31_000));
    expect(run.windows.series(ALL, 1).series).toMatchObject([{ last: 3 }]);
    expect([...run.aggregation.series()]).toMatchObject([{ count: 2, sum: 4 }]);
  });

  test('long names and tags are cut off, and a metric without a name is none', () => {
    const run = createRun();
    const long = 'n'.repeat(300);
    run.aggregation.add(metric(START_MS, { name: long, value: 1, tags: { [long]: long }, unit: long }));
    run.aggregation.add(metric(START_MS, { name: '', value: 1 }));
    const cut = 'n'.repeat(256);
    expect(run.windows.series(ALL, 9).series).toMatchObject([{ name: cut, tags: { [cut]: cut }, unit: cut }]);
    expect(run.aggregation.stats().series).toBe(1);
  });

  test('an open window counts in what was seen last', () => {
    const run = createRun();
    run.aggregation.add(metric(START_MS + 3, { value: 8, unit: 'MB', kind: 'gauge' }));
    expect(run.windows.series(ALL, 1).series).toEqual([
      {
        name: 'n',
        source: 's',
        tags: {},
        unit: 'MB',
        kind: 'gauge',
        last: 8,
        last_time: new Date(START_MS + 3).toISOString(),
      },
    ]);
  });

  test('one that was silent for a day is forgotten, and makes room; the others stay as they are', () => {
    const run = createRun({ maxSeries: 2 });
    const add = (name: string, atMs: number) =>
      run.aggregation.add(metric(START_MS + atMs, { name, value: 1 }));
    add('old', 0);
    add('kept', 0);
    run.aggregation.closeDue(START_MS + 15_000);
    add('kept', 12 * HOUR_MS);
    run.aggregation.closeDue(START_MS + 24 * HOUR_MS);
    expect(run.aggregation.stats().series).toBe(2);
    run.aggregation.closeDue(START_MS + 24 * HOUR_MS + 1);
    expect(run.aggregation.stats().series).toBe(1);
    add('new', 25 * HOUR_MS);
    add('kept', 25 * HOUR_MS);
    expect([...run.aggregation.series()].map(({ name, count, sum }) => [name, count, sum])).toEqual([
      ['kept', 3, 3],
      ['new', 1, 1],
    ]);
    expect(run.aggregation.stats()).toMatchObject({ overflow: 0 });
  });
});
