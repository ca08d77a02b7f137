import { createMessage, type JsonObject, type Message } from '../../src/message.ts';
import { severityOf } from '../../src/severity.ts';

/** The start of every story: 2025-10-20T10:30:45.000Z. */
export const START_MS = Date.parse('2025-10-20T10:30:45.000Z');

let nextId = 0;

/** A message as the normaliser makes it; `atMs` counts from `START_MS`, and it was received then. */
export function record(
  atMs: number,
  source: string,
  type: string,
  data: JsonObject = {},
  over: Partial<Message> = {},
): Message {
  const sent = { source, type, data };
  return createMessage({
    id: `id-${nextId++}`,
    source,
    type,
    timeMs: START_MS + atMs,
    receivedMs: START_MS + atMs,
    traceId: '',
    spanId: '',
    jobId: 'job-12345',
    seq: 0,
    severity: type === 'event' && typeof data.level === 'string' ? severityOf(data.level) : 0,
    head: JSON.stringify(sent).slice(0, -1),
    tail: '',
    parsed: undefined,
    ...over,
  });
}

/** The end of a span that ended at `atMs` after `durationMs`. */
export const span = (
  atMs: number,
  source: string,
  durationMs: number,
  { id = '', ...data }: JsonObject & { id?: string } = {},
): Message =>
  record(
    atMs,
    source,
    'span',
    {
      phase: 'end',
      name: 'work',
      start_us: (START_MS + atMs - durationMs) * 1000,
      duration_us: durationMs * 1000,
      status: 'ok',
      ...data,
    },
    { spanId: id },
  );

/** An event of level info. */
export const event = (atMs: number, source: string, message: string, level = 'info'): Message =>
  record(atMs, source, 'event', { level, message });
