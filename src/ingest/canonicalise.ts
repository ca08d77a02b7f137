import { type Member, members } from '../members.ts';
import { isoTime, type Json, type JsonObject } from '../message.ts';
import { NO_TICKET } from '../scanned.ts';
import { severityOf } from '../severity.ts';
import type { Canonical } from './canonical.ts';
import { isSource, isType, jobIdOf, spanIdOf, traceIdOf } from './envelope.ts';
import type { ParsedFrame } from './record.ts';
import { rewrite } from './rewrite.ts';
import { canonicalMs, parseTimestamp } from './timestamp.ts';

const NO_DATA: JsonObject = Object.freeze({});
const SERVER_MEMBERS = ['id', 'received_at', 'ts_adjusted', 'ts_skewed', 'ids_nonstandard'];

const isObject = (value: Json | undefined): value is JsonObject =>
  value !== undefined && value !== null && typeof value === 'object' && !Array.isArray(value);

/**
 * Checks a record against the envelope's rules and brings it into canonical form; `undefined` if it has no usable
 * source or type, or data that is not an object. The reference for `scan.ts`, which does the same for records that
 * are canonical already. `tags` are static ones to merge under the record's own.
 */
export function canonicalise(
  { value, text, receivedMs }: ParsedFrame,
  tags: Readonly<Record<string, string>>,
): Canonical | undefined {
  const { source, type, seq } = value;
  const data = value.data ?? NO_DATA;
  if (typeof source !== 'string' || !isSource(source)) return undefined;
  if (typeof type !== 'string' || !isType(type) || !isObject(data)) return undefined;
  const trace = traceIdOf(value.trace_id);
  const span = spanIdOf(value.span_id);
  const jobId = jobIdOf(value.job_id, data);
  const time = timeOf(value, receivedMs);
  const sent = members(text);
  const changes = new Map([
    ...time.changes,
    ...changesOfIds(value, { trace_id: trace.id, span_id: span.id, job_id: jobId }),
    ...changesOfServerMembers(value, sent),
    ...changesOfTags(value, sent, tags),
  ]);
  const isRepeated = sent.length !== Object.keys(value).length;
  const changed = changes.size > 0 || isRepeated;
  const newText = changed ? rewrite(text, changes) : text;
  const newValue = changed ? (JSON.parse(newText) as JsonObject) : value;
  return {
    source,
    type,
    timeMs: time.ms,
    receivedMs,
    traceId: trace.id,
    spanId: span.id,
    jobId,
    jobIdLifted: jobId !== '' && value.job_id === undefined,
    seq: typeof seq === 'number' && Number.isSafeInteger(seq) && seq > 0 ? seq : 0,
    severity: type === 'event' && typeof data.level === 'string' ? severityOf(data.level) : 0,
    hasHost: newValue.host !== undefined,
    hasTags: newValue.tags !== undefined,
    head: newText.slice(0, -1),
    from: 0,
    to: 0,
    value: newValue,
    flags:
      (time.adjusted ? ',"ts_adjusted":true' : '') +
      (trace.standard && span.standard ? '' : ',"ids_nonstandard":true'),
    ticket: NO_TICKET,
  };
}

/** New JSON texts of members, or `undefined` to remove one. */
type Changes = Map<string, string | undefined>;

function timeOf(value: JsonObject, nowMs: number): { ms: number; adjusted: boolean; changes: Changes } {
  const { timestamp } = value;
  const asSentMs = typeof timestamp === 'string' ? canonicalMs(timestamp) : Number.NaN;
  if (!Number.isNaN(asSentMs)) return { ms: asSentMs, adjusted: false, changes: new Map() };
  const instant = parseTimestamp(timestamp);
  const ms = instant?.ms ?? nowMs;
  const changes: Changes = new Map([['timestamp', `"${isoTime(ms)}"`]]);
  if (instant?.us !== undefined && value.ts_us === undefined) changes.set('ts_us', String(instant.us));
  return { ms, adjusted: instant === undefined, changes };
}

function changesOfIds(value: JsonObject, ids: Readonly<Record<string, string>>): Changes {
  const changes: Changes = new Map();
  for (const [key, id] of Object.entries(ids)) {
    if (value[key] === undefined || (id !== '' && value[key] === id)) continue;
    changes.set(key, id === '' ? undefined : JSON.stringify(id));
  }
  return changes;
}

/** The text of a member's value as it was sent, digit for digit. */
const textOf = (sent: readonly Member[], key: string) => sent.findLast((member) => member.key === key)?.value;

function changesOfServerMembers(value: JsonObject, sent: readonly Member[]): Changes {
  const changes: Changes = new Map();
  for (const key of SERVER_MEMBERS) if (value[key] !== undefined) changes.set(key, undefined);
  // The sender's id would pass for ours: it is kept under another name.
  if (value.id !== undefined) changes.set('sent_id', textOf(sent, 'id'));
  return changes;
}

function changesOfTags(
  { tags: own }: JsonObject,
  sent: readonly Member[],
  tags: Readonly<Record<string, string>>,
): Changes {
  const text = textOf(sent, 'tags');
  if (!isObject(own) || text === undefined) return new Map();
  const missing = Object.entries(tags).filter(([key]) => !Object.hasOwn(own, key));
  if (missing.length === 0) return new Map();
  return new Map([['tags', rewrite(text, new Map(missing.map(([key, tag]) => [key, JSON.stringify(tag)])))]]);
}
