import { Permanent } from '../../deliver/sink.ts';
import { eachMember } from '../../members.ts';
import { addedTextOf, type Message, sentTextOf } from '../../message.ts';
import { remember } from '../naming/remember.ts';
import { columnText, jsonbText } from './json.ts';

/** One message as a row; absent values are `null`, texts are storable. */
export interface Row {
  readonly timeMs: number;
  readonly receivedMs: number;
  /** A UUID. */
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly level: string | null;
  readonly name: string | null;
  readonly value: number | null;
  readonly jobId: string | null;
  readonly traceId: string | null;
  readonly spanId: string | null;
  readonly session: string | null;
  readonly seq: number | null;
  readonly host: string | null;
  /** JSON text of the message's data. */
  readonly data: string;
  /** JSON text of what else the record holds. */
  readonly extra: string | null;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const LEVELS = [null, 'trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const;
/** A name is grouped and indexed by, and an index takes no long texts; `data` has it whole. */
const MAX_NAME_LENGTH = 256;
/** The first half of a surrogate pair, at the end. */
const HALF = /[\ud800-\udbff]$/;

/** Members that have a column, and `timestamp`, which is `time`. */
const ENVELOPE = new Set([
  'source',
  'timestamp',
  'type',
  'trace_id',
  'span_id',
  'job_id',
  'seq',
  'session',
  'host',
  'data',
]);

/** The row of a message, its data digit for digit as it was sent. Throws `Permanent` if its id is no UUID. */
export function rowOf(message: Message): Row {
  if (!UUID.test(message.id)) throw new Permanent('the id of a message is no UUID');
  const sent = partsOf(sentTextOf(message));
  const tail = addedTextOf(message);
  const added = tail === '' ? NO_PARTS : addedParts(tail);
  const { name, value } = measureOf(message.type, sent.data);
  const extra = joined(joined(sent.extra, message.seq > 0 ? '' : sent.seq), added.extra);
  return {
    timeMs: message.timeMs,
    receivedMs: message.receivedMs,
    id: message.id,
    source: columnText(message.source),
    type: columnText(message.type),
    level: LEVELS[message.severity] ?? null,
    name,
    value,
    jobId: orNull(message.jobId),
    traceId: orNull(message.traceId),
    spanId: orNull(message.spanId),
    session: sent.session ?? added.session,
    seq: message.seq > 0 ? message.seq : null,
    host: sent.host ?? added.host,
    data: jsonbText(sent.data),
    extra: extra === '' ? null : jsonbText(`{${extra}}`),
  };
}

const orNull = (text: string) => (text === '' ? null : columnText(text));

interface Parts {
  data: string;
  session: string | null;
  host: string | null;
  /** `"seq":…` as it was sent, for one that is no sequence number. */
  seq: string;
  /** Members without a column, joined by commas. */
  extra: string;
}

const NO_PARTS: Readonly<Parts> = { data: '{}', session: null, host: null, seq: '', extra: '' };

function partsOf(json: string): Readonly<Parts> {
  const parts: Parts = { ...NO_PARTS };
  eachMember(json, (key, from, valueFrom, end) => {
    if (!ENVELOPE.has(key)) {
      parts.extra = joined(parts.extra, json.slice(from, end));
    } else if (key === 'data') {
      parts.data = json.startsWith('null', valueFrom) ? '{}' : json.slice(valueFrom, end);
    } else if (key === 'seq') {
      parts.seq = json.slice(from, end);
    } else if (key === 'session' || key === 'host') {
      const said: unknown = JSON.parse(json.slice(valueFrom, end));
      if (typeof said === 'string') parts[key] = columnText(said);
      else parts.extra = joined(parts.extra, json.slice(from, end));
    }
  });
  return parts;
}

/** What the sidecar added is the same for many messages. */
const addedParts = remember([(tail: string) => tail], (tail) => partsOf(`{${tail.slice(1)}`));

const joined = (one: string, other: string) => (one === '' || other === '' ? one + other : `${one},${other}`);

const NO_MEASURE = { name: null, value: null };

/** `data.name`, and of a metric the number in `data.value`; `null` where they are none. */
function measureOf(type: string, data: string): Pick<Row, 'name' | 'value'> {
  if (!data.includes('"name"') && !data.includes('"value"') && !data.includes('\\u')) return NO_MEASURE;
  let name: unknown;
  let value: unknown;
  eachMember(data, (key, _, valueFrom, end) => {
    if (key === 'name') name = scalarOf(data, valueFrom, end);
    else if (key === 'value') value = scalarOf(data, valueFrom, end);
  });
  return {
    name: typeof name === 'string' ? shortened(columnText(name)) : null,
    value: type === 'metric' && typeof value === 'number' && Number.isFinite(value) ? value : null,
  };
}

/** A member's value unless it is an object or an array, which may be large. */
function scalarOf(text: string, from: number, end: number): unknown {
  const first = text[from];
  return first === '{' || first === '[' ? undefined : JSON.parse(text.slice(from, end));
}

/** The first characters of a name, never half of one. */
const shortened = (name: string) =>
  name.length <= MAX_NAME_LENGTH ? name : name.slice(0, MAX_NAME_LENGTH).replace(HALF, '');
