import { isoTime, type JsonObject, jsonOf, type Message } from '../message.ts';
import type { Redact } from './redaction.ts';
import { textOf } from './text.ts';
import type { LiveMessage, Whereabouts } from './view.ts';

/** Records above it are not shown. */
const MAX_RECORD_BYTES = 16_384;
/** Records above it are not even parsed. */
const MAX_PARSED_BYTES = 262_144;
const MAX_TEXT = 1000;
const LEVELS = ['', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'];

/** A message as it is shown live. */
export function describeMessage(message: Message, redact: Redact, where: Whereabouts = {}): LiveMessage {
  const { id, source, type, timeMs, receivedMs, severity, jobId, traceId, spanId, bytes } = message;
  // Parsed anew: what is redacted is nobody else's.
  const record = bytes > MAX_PARSED_BYTES ? undefined : redact(JSON.parse(jsonOf(message)) as JsonObject);
  const level = LEVELS[severity];
  return {
    id,
    time: isoTime(timeMs),
    received_at: isoTime(receivedMs),
    source,
    type,
    ...(level && { level }),
    ...(jobId !== '' && { job_id: jobId }),
    ...(traceId !== '' && { trace_id: traceId }),
    ...(spanId !== '' && { span_id: spanId }),
    text: record === undefined ? `${bytes} bytes` : textOf(type, record).slice(0, MAX_TEXT),
    bytes,
    ...(record !== undefined && bytes <= MAX_RECORD_BYTES && { record }),
    ...where,
  };
}
