// AssemblyScript, built to scan.wasm: the inner loop of `../scan.ts`, which says what it promises. JSON strings are
// skipped sixteen bytes at a time, and values that recur are told by their bytes, without a string for each.
import {
  CONTEXT,
  CONTEXT_JOB_ID,
  DATA,
  DATA_JOB_ID,
  fieldOf,
  HOST,
  IN_CONTEXT,
  IN_DATA,
  IN_TAGS,
  JOB_ID,
  LEVEL,
  PLACES,
  PROGRESS,
  RECORD,
  SEQ,
  SOURCE,
  SPAN_ID,
  TAGS,
  TAGS_JOB_ID,
  TIMESTAMP,
  TRACE_ID,
  TYPE,
  UNKNOWN,
} from './fields';
import { isDigit, skipBlank, skipColon, skipPlainString, skipValue, UNSURE, word } from './json';
import { addMember, addTag, mixBytes, numberCount, numbersHash, startNumbers } from './numbers';
import { ENTRY_HEADER, slotOf } from './table';
import { isSpanId, mayEnd, SPAN_ID_LENGTH, timeOf } from './values';

/** Where the caller puts bytes; behind the last one a zero, which stands in no JSON. */
export const INPUT: i32 = 0x1000;
/** How many fit. */
export const INPUT_SIZE: i32 = 0x10000;

const FROM: i32 = 0x100;
const TO: i32 = 0x140;

/**
 * What was read, as i32: for source, type, trace id, job id and level the slot of the value, or, if it was not there
 * yet, the complement of the slot that it now has; the position of the span id; a bit for a job id from `data`, one
 * for a host, one for progress that may be the end of a job. Absent: `NONE`.
 */
export const RESULT: i32 = 0x180;
/** What is absent. */
export const NONE: i32 = 0x7fffffff;
const RESULT_SPAN_ID: i32 = RESULT + 20;
const RESULT_FLAGS: i32 = RESULT + 24;
const LIFTED: i32 = 1;
const HAS_HOST: i32 = 2;
const MAY_END: i32 = 4;
/** As i64, and how many numbers `MEMBERS` has, as i32: -1 where they were not read. */
export const HASH: i32 = 0x280;
/** @see HASH */
export const MEMBER_COUNT: i32 = 0x288;
/** As f64: epoch milliseconds, NaN for a timestamp of another minute than the last; the sequence number. */
export const NUMBERS: i32 = 0x1a0;

/** The minute whose milliseconds are known: its text, and when it starts. */
export { MINUTE, MINUTE_MS } from './values';

const TIMESTAMP_LENGTH: i32 = 24;
const TRACE_ID_LENGTH: i32 = 32;

/** Where the numbers of `data` are: `MEMBERS` of `numbers.ts`. */
export { MEMBERS } from './numbers';

/** Tables of values that recur. */
const SOURCES: i32 = 0x20000;
const SOURCE_WIDTH: i32 = 128;
const SOURCE_SLOTS: i32 = 16384;
const TYPES: i32 = SOURCES + SOURCE_SLOTS * (ENTRY_HEADER + SOURCE_WIDTH);
const TYPE_WIDTH: i32 = 64;
const TYPE_SLOTS: i32 = 1024;
const TRACE_IDS: i32 = TYPES + TYPE_SLOTS * (ENTRY_HEADER + TYPE_WIDTH);
const TRACE_ID_SLOTS: i32 = 8192;
const JOB_IDS: i32 = TRACE_IDS + TRACE_ID_SLOTS * (ENTRY_HEADER + TRACE_ID_LENGTH);
const JOB_ID_WIDTH: i32 = 64;
const JOB_ID_SLOTS: i32 = 8192;
const LEVELS: i32 = JOB_IDS + JOB_ID_SLOTS * (ENTRY_HEADER + JOB_ID_WIDTH);
const LEVEL_WIDTH: i32 = 16;
const LEVEL_SLOTS: i32 = 512;

/** Bits of the fields that the record has. */
let present: i32 = 0;
/** Whether its progress may say that its job is over. */
let isOver: bool = false;
/** Where the members of its `data` start. */
let dataAt: i32 = 0;
/** Whether numbers are wanted, what hashes start with, and whether those of this record are read. */
let isMeasured: bool = false;
let seed: u64 = 0;
let isReading: bool = false;

/** From now on reads the numbers of metrics, resource use and progress, or not. */
export function measure(isWanted: bool, hashSeed: u64): void {
  isMeasured = isWanted;
  seed = hashSeed;
}

/** Whether series are made of what a record of its type says. */
function hasNumbers(): bool {
  const length = lengthOf(TYPE);
  if (length === 6) return word(from(TYPE), 6) === 0x63697274656d; // metric
  if (length !== 8) return false;
  const type = load<u64>(from(TYPE));
  return type === 0x656372756f736572 || type === 0x73736572676f7270; // resource, progress
}

/** From now on takes the members of `data`, if series are made of them. */
function startReading(): void {
  isReading = isMeasured && has(TYPE) && hasNumbers();
  if (isReading) startNumbers(seed);
}

/** Hands on the numbers of the record; source and type are in the hash, too. */
function finishReading(): void {
  store<i32>(MEMBER_COUNT, -1);
  if (!(isMeasured && has(DATA))) return;
  if (!isReading) {
    // Its type came after its data, perhaps.
    startReading();
    if (!isReading) return;
    object(IN_DATA, dataAt, 2);
  }
  mixBytes(from(SOURCE), from(SOURCE) + lengthOf(SOURCE) + 1);
  mixBytes(from(TYPE), from(TYPE) + lengthOf(TYPE) + 1);
  store<i32>(MEMBER_COUNT, numberCount());
  store<u64>(HASH, numbersHash());
}

function has(field: i32): bool {
  return (present & (1 << field)) !== 0;
}

function from(field: i32): i32 {
  return load<i32>(FROM + (field << 2));
}

function lengthOf(field: i32): i32 {
  return load<i32>(TO + (field << 2)) - from(field);
}

/** After the value of a field that must be a string without escapes; remembers its place. */
function place(field: i32, at: i32): i32 {
  if (load<u8>(at) !== 34) return UNSURE;
  const end = skipPlainString(at + 1);
  store<i32>(FROM + (field << 2), at + 1);
  store<i32>(TO + (field << 2), end - 1);
  present |= 1 << field;
  return end;
}

function placeSeq(at: i32): i32 {
  const end = skipValue(at, 0);
  if (end - at > 15) return UNSURE;
  let seq: f64 = 0;
  for (let digit = at; digit < end; digit++) {
    if (!isDigit(load<u8>(digit))) return UNSURE;
    seq = seq * 10 + <f64>(load<u8>(digit) - 48);
  }
  store<f64>(NUMBERS + 8, seq);
  return end;
}

/** Of a repeated object the last one counts. */
function nested(kind: i32, jobId: i32, at: i32): i32 {
  present &= ~(1 << jobId);
  return load<u8>(at) === 123 ? object(kind, at + 1, 3) : skipValue(at, 2);
}

/** After the value at `at` of the member whose key means `field`. */
function member(field: i32, at: i32, depth: i32): i32 {
  if (depth === 1 && has(field)) return UNSURE;
  if (field < PLACES) return place(field, at);
  if (field === PROGRESS) {
    isOver = isOver || mayEnd(at);
    return skipValue(at, depth);
  }
  if (field === CONTEXT) return nested(IN_CONTEXT, CONTEXT_JOB_ID, at);
  if (field === TAGS) return nested(IN_TAGS, TAGS_JOB_ID, at);
  present |= 1 << field;
  if (field === DATA) {
    dataAt = at + 1;
    startReading();
    return load<u8>(at) === 123 ? object(IN_DATA, at + 1, 2) : UNSURE;
  }
  if (field === SEQ) return placeSeq(at);
  return field === HOST ? skipValue(at, depth) : UNSURE;
}

/** After the object whose opening brace is before `at`. */
function object(kind: i32, at: i32, depth: i32): i32 {
  at = skipBlank(at);
  if (load<u8>(at) === 125) return at + 1;
  while (load<u8>(at) === 34) {
    const key = at + 1;
    at = skipPlainString(key);
    if (at === UNSURE) return UNSURE;
    const length = at - 1 - key;
    const field = fieldOf(kind, key, length);
    const start = skipColon(at);
    if (start === UNSURE) return UNSURE;
    at = field === UNKNOWN ? skipValue(start, depth) : member(field, start, depth);
    if (at === UNSURE) return UNSURE;
    if (isReading) {
      if (kind === IN_DATA) addMember(key, length, start, at);
      else if (kind === IN_TAGS) addTag(key, length, start, at);
    }
    at = skipBlank(at);
    const c: i32 = load<u8>(at);
    if (c === 125) return at + 1;
    if (c !== 44) return UNSURE;
    at = skipBlank(at + 1);
  }
  return UNSURE;
}

/** Writes the slot of a field's value to the result. */
function resolve(field: i32, result: i32, table: i32, slots: i32, width: i32): void {
  store<i32>(RESULT + (result << 2), slotOf(from(field), lengthOf(field), table, slots, width));
}

/** Whether a field is absent, or has a value of a length that its table takes. */
function fits(field: i32, width: i32): bool {
  if (!has(field)) return true;
  const length = lengthOf(field);
  return length > 0 && length <= width;
}

/** The field that has the record's job id, if it has one. */
function jobField(): i32 {
  if (has(JOB_ID)) return JOB_ID;
  if (has(DATA_JOB_ID)) return DATA_JOB_ID;
  return has(CONTEXT_JOB_ID) ? CONTEXT_JOB_ID : TAGS_JOB_ID;
}

/** Whether the record is canonical, as far as can be told here. */
function isCanonical(): bool {
  if (!(has(SOURCE) && has(TYPE) && has(TIMESTAMP)) || lengthOf(TIMESTAMP) !== TIMESTAMP_LENGTH) return false;
  if (has(TRACE_ID) && lengthOf(TRACE_ID) !== TRACE_ID_LENGTH) return false;
  if (has(SPAN_ID) && !(lengthOf(SPAN_ID) === SPAN_ID_LENGTH && isSpanId(from(SPAN_ID)))) return false;
  return fits(SOURCE, SOURCE_WIDTH) && fits(TYPE, TYPE_WIDTH) && fits(jobField(), JOB_ID_WIDTH);
}

/** Whether a line, or the input, ends at `at`. */
function isEnd(at: i32, to: i32): bool {
  if (at === to || load<u8>(at) === 10) return true;
  return load<u8>(at) === 13 && (at + 1 === to || load<u8>(at + 1) === 10);
}

/** Reads the record at `start` of the input; the position after it, or `UNSURE`. */
export function read(start: i32, to: i32): i32 {
  present = 0;
  isReading = false;
  isOver = false;
  store<f64>(NUMBERS + 8, 0);
  const at = INPUT + start;
  if (load<u8>(at) !== 123) return UNSURE;
  const end = object(RECORD, at + 1, 1);
  if (end === UNSURE || !isEnd(end, INPUT + to)) return UNSURE;
  if (!isCanonical()) return UNSURE;
  // From here on nothing fails: the caller has to learn of every value that is new in its table.
  const job = jobField();
  const isLifted = has(job) && job !== JOB_ID;
  store<f64>(NUMBERS, timeOf(from(TIMESTAMP)));
  resolve(SOURCE, 0, SOURCES, SOURCE_SLOTS, SOURCE_WIDTH);
  resolve(TYPE, 1, TYPES, TYPE_SLOTS, TYPE_WIDTH);
  store<i32>(RESULT + 8, NONE);
  if (has(TRACE_ID)) resolve(TRACE_ID, 2, TRACE_IDS, TRACE_ID_SLOTS, TRACE_ID_LENGTH);
  store<i32>(RESULT + 12, NONE);
  if (has(job)) resolve(job, 3, JOB_IDS, JOB_ID_SLOTS, JOB_ID_WIDTH);
  store<i32>(RESULT + 16, NONE);
  if (has(LEVEL) && fits(LEVEL, LEVEL_WIDTH)) resolve(LEVEL, 4, LEVELS, LEVEL_SLOTS, LEVEL_WIDTH);
  store<i32>(RESULT_SPAN_ID, has(SPAN_ID) ? from(SPAN_ID) - INPUT : NONE);
  store<i32>(RESULT_FLAGS, (isLifted ? LIFTED : 0) | (has(HOST) ? HAS_HOST : 0) | (isOver ? MAY_END : 0));
  finishReading();
  return end - INPUT;
}

/** The place in memory of the timestamp that was read. */
export function timestampAt(): i32 {
  return from(TIMESTAMP);
}

/** Where a slot of the table of a result (0 source … 4 level) is in memory: its length plus one, and from 16 on its bytes. */
export function entryAt(result: i32, slot: i32): i32 {
  if (result === 0) return SOURCES + slot * (ENTRY_HEADER + SOURCE_WIDTH);
  if (result === 1) return TYPES + slot * (ENTRY_HEADER + TYPE_WIDTH);
  if (result === 2) return TRACE_IDS + slot * (ENTRY_HEADER + TRACE_ID_LENGTH);
  if (result === 3) return JOB_IDS + slot * (ENTRY_HEADER + JOB_ID_WIDTH);
  return LEVELS + slot * (ENTRY_HEADER + LEVEL_WIDTH);
}
