import { severityOf } from '../message.ts';
import { isSource, isType, SPAN_ID, TRACE_ID } from './envelope.ts';
import { createInterner, type Intern, isSame } from './intern.ts';
import { skipBlank, skipColon, skipComma, skipPlainString, skipValue, UNSURE } from './skip-json.ts';
import { createTimestampReader } from './timestamp.ts';

/** The envelope of a record that is canonical as it was sent: nothing in its text needs to change. */
export interface Envelope {
  readonly source: string;
  readonly type: string;
  readonly timeMs: number;
  /** Ids are '' where absent. */
  readonly traceId: string;
  readonly spanId: string;
  readonly jobId: string;
  /** The job id was found in `data`; the envelope has none. */
  readonly jobIdLifted: boolean;
  readonly seq: number;
  readonly severity: number;
  readonly hasHost: boolean;
  readonly hasTags: boolean;
}

/** What a scan remembers the place of; a member of the record, of its data, or of data's context or tags. */
const SOURCE = 0;
const TYPE = 1;
const TIMESTAMP = 2;
const TRACE_ID_ = 3;
const SPAN_ID_ = 4;
const JOB_ID = 5;
const LEVEL = 6;
const DATA_JOB_ID = 7;
const CONTEXT_JOB_ID = 8;
const TAGS_JOB_ID = 9;
const PLACES = 10;
/** Members that are handled on sight. */
const SEQ = 10;
const DATA = 11;
const HOST = 12;
const CONTEXT = 13;
const TAGS = 14;
const UNUSUAL = 15;
const UNKNOWN = -1;

interface Key {
  readonly bytes: Uint8Array;
  readonly field: number;
}

/** Keys of one object and the fields they stand for, by length. */
type Keys = readonly (readonly Key[])[];

function keys(fields: Readonly<Record<string, number>>): Keys {
  const all = Object.entries(fields).map(([name, field]) => ({
    bytes: new Uint8Array(Buffer.from(name)),
    field,
  }));
  const longest = Math.max(...all.map(({ bytes }) => bytes.length));
  return Array.from({ length: longest + 1 }, (_, length) =>
    all.filter(({ bytes }) => bytes.length === length),
  );
}

function fieldOf(known: Keys, b: Uint8Array, from: number, to: number): number {
  if (to - from >= known.length) return UNKNOWN;
  const candidates = known[to - from] as readonly Key[];
  for (let i = 0; i < candidates.length; i++) {
    const { bytes, field } = candidates[i] as Key;
    if (isSame(bytes, b, from, to)) return field;
  }
  return UNKNOWN;
}

const RECORD_KEYS = keys({
  source: SOURCE,
  type: TYPE,
  timestamp: TIMESTAMP,
  trace_id: TRACE_ID_,
  span_id: SPAN_ID_,
  job_id: JOB_ID,
  seq: SEQ,
  data: DATA,
  host: HOST,
  // The sidecar's own members, and tags, which it may have to merge: for the slow path.
  id: UNUSUAL,
  received_at: UNUSUAL,
  ts_adjusted: UNUSUAL,
  ts_skewed: UNUSUAL,
  ids_nonstandard: UNUSUAL,
  tags: UNUSUAL,
});
const DATA_KEYS = keys({ level: LEVEL, job_id: DATA_JOB_ID, context: CONTEXT, tags: TAGS });
const CONTEXT_KEYS = keys({ job_id: CONTEXT_JOB_ID });
const TAGS_KEYS = keys({ job_id: TAGS_JOB_ID });

/** A span id as it should be, '' otherwise. Hardly one occurs twice: interning would only cost. */
const readSpanId: Intern<string> = (bytes, from, to) => {
  const text = to - from === 16 ? bytes.toString('latin1', from, to) : '';
  return SPAN_ID.test(text) ? text : '';
};

/** `bytes[from, to)`, valid UTF-8, is one JSON object without blanks around; its envelope, or `undefined`. */
export type Scan = (bytes: Buffer, from: number, to: number) => Envelope | undefined;

/**
 * Reads envelopes straight from bytes, at half the cost of `JSON.parse`, which it never contradicts: it validates
 * the whole record and gives up (`undefined`) on anything invalid or not canonical, for the slow path to decide.
 */
export function createScan(): Scan {
  const orEmpty = (isValid: (text: string) => boolean) => (text: string) => (isValid(text) ? text : '');
  const sourceOf = createInterner(256, 128, orEmpty(isSource));
  const typeOf = createInterner(64, 64, orEmpty(isType));
  const traceIdOf = createInterner(
    1024,
    32,
    orEmpty((text) => TRACE_ID.test(text)),
  );
  const _spanIdOf = createInterner(
    256,
    16,
    orEmpty((text) => SPAN_ID.test(text)),
  );
  const jobIdOf = createInterner(
    256,
    256,
    orEmpty((text) => text.length <= 256),
  );
  const severity = createInterner(64, 16, severityOf);
  const timeOf = createTimestampReader();

  const fromOf = new Int32Array(PLACES);
  const toOf = new Int32Array(PLACES);
  let seq = 0;
  let hasHost = false;
  let seen = 0;

  /** After the value of a field that must be a string without escapes; remembers its place. */
  const place = (b: Buffer, field: number, at: number): number => {
    const end = b[at] === 34 ? skipPlainString(b, at + 1) : UNSURE;
    fromOf[field] = at + 1;
    toOf[field] = end - 1;
    return end;
  };

  const placeSeq = (b: Buffer, at: number): number => {
    const end = skipValue(b, at, 0);
    if (end - at > 15) return UNSURE;
    seq = 0;
    for (let i = at; i < end; i++) {
      const digit = (b[i] as number) - 48;
      if (digit < 0 || digit > 9) return UNSURE;
      seq = seq * 10 + digit;
    }
    return end;
  };

  const nested = (b: Buffer, known: Keys, at: number, depth: number): number =>
    b[at] === 123 ? object(b, known, at + 1, depth) : skipValue(b, at, depth - 1);

  /** After the value at `at` of the member whose key means `field`. */
  const member = (b: Buffer, field: number, at: number, depth: number): number => {
    if (field === UNKNOWN) return skipValue(b, at, depth);
    if (depth === 1) {
      if ((seen & (1 << field)) !== 0) return UNSURE;
      seen |= 1 << field;
    }
    if (field < PLACES) return place(b, field, at);
    if (field === DATA) return b[at] === 123 ? object(b, DATA_KEYS, at + 1, 2) : UNSURE;
    if (field === CONTEXT) {
      toOf[CONTEXT_JOB_ID] = 0;
      return nested(b, CONTEXT_KEYS, at, 3);
    }
    if (field === TAGS) {
      toOf[TAGS_JOB_ID] = 0;
      return nested(b, TAGS_KEYS, at, 3);
    }
    if (field === SEQ) return placeSeq(b, at);
    hasHost = true;
    return field === HOST ? skipValue(b, at, depth) : UNSURE;
  };

  /** After the object whose opening brace is before `at`. */
  const object = (b: Buffer, known: Keys, at: number, depth: number): number => {
    at = skipBlank(b, at);
    if (b[at] === 125) return at + 1;
    for (;;) {
      if (b[at] !== 34) return UNSURE;
      const keyFrom = at + 1;
      at = skipPlainString(b, keyFrom);
      if (at === UNSURE) return UNSURE;
      const field = fieldOf(known, b, keyFrom, at - 1);
      at = skipColon(b, at);
      if (at === UNSURE) return UNSURE;
      at = member(b, field, at, depth);
      if (at === UNSURE) return UNSURE;
      at = skipBlank(b, at);
      if (b[at] === 125) return at + 1;
      at = skipComma(b, at);
      if (at === UNSURE) return UNSURE;
    }
  };

  const has = (field: number) => (toOf[field] as number) > 0;
  const read = <V>(b: Buffer, field: number, intern: Intern<V>): V =>
    intern(b, fromOf[field] as number, toOf[field] as number);

  const envelope = (b: Buffer): Envelope | undefined => {
    if (!(has(SOURCE) && has(TYPE) && has(TIMESTAMP))) return undefined;
    const source = read(b, SOURCE, sourceOf);
    const type = read(b, TYPE, typeOf);
    const timeMs = read(b, TIMESTAMP, timeOf);
    const traceId = has(TRACE_ID_) ? read(b, TRACE_ID_, traceIdOf) : '';
    const spanId = has(SPAN_ID_) ? read(b, SPAN_ID_, readSpanId) : '';
    const jobIdLifted = !has(JOB_ID);
    let jobField = JOB_ID;
    if (jobIdLifted)
      jobField = has(DATA_JOB_ID) ? DATA_JOB_ID : has(CONTEXT_JOB_ID) ? CONTEXT_JOB_ID : TAGS_JOB_ID;
    const jobId = has(jobField) ? read(b, jobField, jobIdOf) : '';
    const canonical =
      source !== '' &&
      type !== '' &&
      !Number.isNaN(timeMs) &&
      (traceId !== '' || !has(TRACE_ID_)) &&
      (spanId !== '' || !has(SPAN_ID_)) &&
      (jobId !== '' || !has(jobField));
    if (!canonical) return undefined;
    const rank = type === 'event' && has(LEVEL) ? read(b, LEVEL, severity) : 0;
    return {
      source,
      type,
      timeMs,
      traceId,
      spanId,
      jobId,
      jobIdLifted: jobIdLifted && jobId !== '',
      seq,
      severity: rank,
      hasHost,
      hasTags: false,
    };
  };

  return (bytes, from, to) => {
    toOf.fill(0);
    seq = 0;
    seen = 0;
    hasHost = false;
    if (bytes[from] !== 123 || object(bytes, RECORD_KEYS, from + 1, 1) !== to) return undefined;
    return envelope(bytes);
  };
}
