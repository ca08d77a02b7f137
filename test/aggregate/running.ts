import { type AggregationOptions, createAggregation } from '../../src/aggregate/aggregation.ts';
import type { MetricQuery } from '../../src/aggregate/view.ts';
import { createWindows } from '../../src/aggregate/windows.ts';
import { createMessage, type JsonObject } from '../../src/message.ts';

export const OPTIONS: AggregationOptions = {
  enabled: true,
  windowMs: 10_000,
  graceMs: 5000,
  maxSeries: 1000,
  emit: true,
};
export const START_MS = Date.UTC(2026, 0, 2);
export const HOUR_MS = 3_600_000;

export function metric(timeMs: number, data: JsonObject, receivedMs = timeMs, source = 's') {
  return createMessage({
    id: 'id',
    source,
    type: 'metric',
    timeMs,
    receivedMs,
    traceId: '',
    spanId: '',
    jobId: '',
    seq: 0,
    severity: 0,
    head: JSON.stringify({ source, type: 'metric', data: { name: 'n', ...data } }).slice(0, -1),
  });
}

/** An aggregation, as it is fed and asked. */
export function createRun(options: Partial<AggregationOptions> = {}) {
  const aggregation = createAggregation({ ...OPTIONS, ...options });
  const windows = createWindows(aggregation);
  const query = (asked: Partial<MetricQuery> = {}) =>
    windows.query({
      name: 'n',
      isSource: undefined,
      tags: [],
      fromMs: START_MS,
      toMs: START_MS + HOUR_MS,
      stepMs: undefined,
      ...asked,
    }) as Exclude<ReturnType<typeof windows.query>, Promise<unknown>>;
  return { aggregation, windows, query };
}
