import { createMessage, isoTime, type JsonObject, type Message } from './message.ts';
import { severityOf } from './severity.ts';

const textOf = (value: unknown) => (typeof value === 'string' ? value : '');

/**
 * The message of a record as a backend keeps it: as it was delivered, with `id` and `received_at`. `undefined` for
 * what is none, such as a line that was torn or written by somebody else.
 */
export function restored(record: JsonObject): Message | undefined {
  const { id, received_at, ...sent } = record;
  const { source, timestamp, type, data } = sent;
  const timeMs = Date.parse(textOf(timestamp));
  const receivedMs = Date.parse(textOf(received_at));
  if (textOf(id) === '' || textOf(source) === '' || textOf(type) === '') return undefined;
  if (Number.isNaN(timeMs) || Number.isNaN(receivedMs) || !isObject(data ?? {})) return undefined;
  const seq = typeof sent.seq === 'number' && Number.isSafeInteger(sent.seq) && sent.seq > 0 ? sent.seq : 0;
  return createMessage({
    id: textOf(id),
    source: textOf(source),
    type: textOf(type),
    timeMs,
    receivedMs,
    traceId: textOf(sent.trace_id),
    spanId: textOf(sent.span_id),
    jobId: textOf(sent.job_id),
    seq,
    severity: type === 'event' ? severityOf(textOf((data as JsonObject | undefined)?.level)) : 0,
    head: JSON.stringify({ ...sent, timestamp: isoTime(timeMs) }).slice(0, -1),
  });
}

const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
