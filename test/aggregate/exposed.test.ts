import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { asyncScheduler } from 'rxjs';
import { createAggregation } from '../../src/aggregate/aggregation.ts';
import { createMetrics, type Metrics } from '../../src/metrics.ts';
import { samplesOf } from '../prometheus.ts';
import { metric, START_MS } from './running.ts';

const OPTIONS = { enabled: true, windowMs: 10_000, graceMs: 5000, maxSeries: 5, emit: false };

let aggregation: ReturnType<typeof createAggregation>;
let metrics: Metrics;
beforeEach(() => {
  aggregation = createAggregation(OPTIONS);
  metrics = createMetrics({ version: '1.2.3', maxSources: 1000 }, asyncScheduler);
  metrics.watch({ series: () => ({ ...aggregation.stats(), all: aggregation.series() }) });
});
afterEach(() => metrics.close());

const add = (name: string, value: number, { tags = {}, unit = '', receivedMs = START_MS } = {}) =>
  aggregation.add(metric(START_MS, { name, value, unit, tags }, receivedMs));
/** Values of a family by name and the labels that are asked for. */
const shown = async (family: string, ...labels: string[]) =>
  samplesOf(await metrics.text(), family)
    .map((sample) => [...['name', ...labels].map((label) => sample.labels[label]), sample.value])
    .sort();

test('the last value, the sum and the number of values of each series, with its labels', async () => {
  add('rows', 5, { tags: { to: 'x', by: 'a,b' }, unit: 'rows' });
  add('rows', 2, { tags: { to: 'x', by: 'a,b' }, unit: 'rows' });
  add('depth', -1);
  expect(await shown('sidecar_metric_last', 'source', 'tags', 'unit')).toEqual([
    ['depth', 's', '', '', -1],
    ['rows', 's', 'by=a,b,to=x', 'rows', 2],
  ]);
  expect(await shown('sidecar_metric_sum')).toEqual([
    ['depth', -1],
    ['rows', 7],
  ]);
  expect(await shown('sidecar_metric_values_total')).toEqual([
    ['depth', 1],
    ['rows', 2],
  ]);
  expect(await shown('sidecar_metric_series')).toEqual([[undefined, 2]]);
});

test('quantiles are those of the last finished window', async () => {
  for (let value = 1; value <= 10; value++) add('rows', value);
  expect(await shown('sidecar_metric_quantile')).toEqual([]);
  aggregation.closeDue(START_MS + 15_000);
  expect(await shown('sidecar_metric_quantile', 'quantile')).toEqual([
    ['rows', '0.5', 5],
    ['rows', '0.9', 9],
    ['rows', '0.99', 10],
  ]);
});

test('what no window took, and what no series of its own had, is counted', async () => {
  add('old', 1, { receivedMs: START_MS + 60_000 });
  for (let n = 0; n < 8; n++) add(`m${n}`, n);
  expect(await shown('sidecar_metric_values_late_total')).toEqual([[undefined, 1]]);
  expect(await shown('sidecar_metric_values_overflow_total')).toEqual([[undefined, 4]]);
  expect(await shown('sidecar_metric_values_total')).toContainEqual(['_other', 4]);
  expect(await shown('sidecar_metric_sum')).toContainEqual(['_other', 4 + 5 + 6 + 7]);
});

test('names that are shortened to the same one are shown once: the page stays readable', async () => {
  const long = 'n'.repeat(200);
  add(`${long}a`, 1);
  add(`${long}b`, 2);
  aggregation.closeDue(START_MS + 15_000);
  const last = await shown('sidecar_metric_last');
  expect(last).toHaveLength(1);
  expect(last[0]?.at(-1)).toBe(1);
  expect(await shown('sidecar_metric_quantile')).toHaveLength(3);
});

test('messages are taken while a scrape goes on, and it shows each series as it is when its turn comes', async () => {
  add('rows', 1);
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns++;
    add('rows', 1);
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  const text = await metrics.text();
  isOver = true;
  // Of the seven metrics of series each has a turn.
  expect(turns).toBeGreaterThanOrEqual(6);
  const [last] = samplesOf(text, 'sidecar_metric_last');
  const [sum] = samplesOf(text, 'sidecar_metric_sum');
  expect(last?.value).toBe(1);
  expect(sum?.value).toBeGreaterThan(1);
});
