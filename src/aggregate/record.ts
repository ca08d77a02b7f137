import type { Context } from '../context.ts';
import { createMessage, isoTime, type JsonObject, type Message } from '../message.ts';
import type { Render } from './aggregate.ts';
import type { Closed } from './aggregation.ts';
import { rateOf } from './rate.ts';
import { quantileOf } from './window.ts';

/**
 * Makes a record of a finished window, as its source would send it: type `metric`, time its start, `data` with the
 * series' `name`, `unit` and `tags`, `kind: "aggregate"`, `value` (the mean), `window_ms`, `count`, `sum`, `min`,
 * `max`, `last`, `rate` a second, `p50`, `p90` and `p99`.
 */
export function createRender(
  nextId: (nowMs: number) => string,
  { scheduler }: Pick<Context, 'scheduler'>,
): Render {
  return (closed, windowMs): Message => {
    const { series, window } = closed;
    const receivedMs = scheduler.now();
    const parsed: JsonObject = {
      source: series.source,
      timestamp: isoTime(window.startMs),
      type: 'metric',
      data: dataOfWindow(closed, windowMs),
    };
    return createMessage({
      id: nextId(receivedMs),
      source: series.source,
      type: 'metric',
      timeMs: window.startMs,
      receivedMs,
      traceId: '',
      spanId: '',
      jobId: '',
      seq: 0,
      severity: 0,
      head: JSON.stringify(parsed).slice(0, -1),
      parsed,
    });
  };
}

function dataOfWindow({ series, window, before }: Closed, windowMs: number): JsonObject {
  const { count, sum, min, max, last } = window;
  return {
    name: series.name,
    value: sum / count,
    unit: series.unit,
    tags: Object.fromEntries(series.tags),
    kind: 'aggregate',
    window_ms: windowMs,
    count,
    sum,
    min,
    max,
    last,
    rate: rateOf(series.kind, { sum, last, endMs: window.startMs + windowMs }, before, windowMs),
    p50: quantileOf(window, 0.5),
    p90: quantileOf(window, 0.9),
    p99: quantileOf(window, 0.99),
  };
}
