// AssemblyScript: the members of a record that count, by their keys. Keys of up to eight bytes are compared as numbers
// (little-endian), which are what their characters spell.
import { word } from './json';

/** Field `source`; those up to `TAGS_JOB_ID` have a place, which is where their value starts and ends. */
export const SOURCE: i32 = 0;
/** Field `type`. */
export const TYPE: i32 = 1;
/** Field `timestamp`. */
export const TIMESTAMP: i32 = 2;
/** Field `trace_id`. */
export const TRACE_ID: i32 = 3;
/** Field `span_id`. */
export const SPAN_ID: i32 = 4;
/** Field `job_id`. */
export const JOB_ID: i32 = 5;
/** Field `data.level`. */
export const LEVEL: i32 = 6;
/** Field `data.job_id`. */
export const DATA_JOB_ID: i32 = 7;
/** Field `data.context.job_id`. */
export const CONTEXT_JOB_ID: i32 = 8;
/** Field `data.tags.job_id`. */
export const TAGS_JOB_ID: i32 = 9;
/** How many fields have a place. */
export const PLACES: i32 = 10;
/** Field `seq`; it and those below are handled on sight. */
export const SEQ: i32 = 10;
/** Field `data`. */
export const DATA: i32 = 11;
/** Field `host`. */
export const HOST: i32 = 12;
/** Field `data.context`. */
export const CONTEXT: i32 = 13;
/** Field `data.tags`. */
export const TAGS: i32 = 14;
/** Fields `data.status` and `data.percent`, each of which may say that a job is over. */
export const PROGRESS: i32 = 16;
/** A member that only the slow path can handle. */
export const UNUSUAL: i32 = 15;
/** A member of another name. */
export const UNKNOWN: i32 = -1;
/** An object by the keys that count in it: the record. */
export const RECORD: i32 = 0;
/** `data` of the record. */
export const IN_DATA: i32 = 1;
/** `data.context`. */
export const IN_CONTEXT: i32 = 2;
/** `data.tags`. */
export const IN_TAGS: i32 = 3;

/** The member of a record whose key, of `length` bytes, starts at `at`. */
function recordField(at: i32, length: i32): i32 {
  if (length > 8) return longRecordField(at, length);
  const key = word(at, length);
  if (key === 0x656372756f73) return SOURCE;
  if (key === 0x65707974) return TYPE;
  if (key === 0x61746164) return DATA;
  if (key === 0x64695f6563617274) return TRACE_ID;
  if (key === 0x64695f6e617073) return SPAN_ID;
  if (key === 0x64695f626f6a) return JOB_ID;
  if (key === 0x716573) return SEQ;
  if (key === 0x74736f68) return HOST;
  // `id` is the sidecar's own, and `tags` may have to be merged: for the slow path.
  return key === 0x6469 || key === 0x73676174 ? UNUSUAL : UNKNOWN;
}

/** The longer ones; besides timestamp they are the sidecar's own. */
function longRecordField(at: i32, length: i32): i32 {
  const start = load<u64>(at);
  if (length === 9) {
    if (start === 0x6d617473656d6974 && load<u8>(at + 8) === 112) return TIMESTAMP;
    return start === 0x6577656b735f7374 ? UNUSUAL : UNKNOWN; // ts_skewed
  }
  // received_at, ts_adjusted, ids_nonstandard: told by their first eight bytes, which is on the safe side.
  const isOwn = start === 0x6465766965636572 || start === 0x73756a64615f7374 || start === 0x736e6f6e5f736469;
  return isOwn ? UNUSUAL : UNKNOWN;
}

function dataField(at: i32, length: i32): i32 {
  if (length > 8) return UNKNOWN;
  const key = word(at, length);
  if (key === 0x6c6576656c) return LEVEL;
  if (key === 0x64695f626f6a) return DATA_JOB_ID;
  if (key === 0x737574617473 || key === 0x746e6563726570) return PROGRESS; // status, percent
  if (key === 0x747865746e6f63) return CONTEXT;
  return key === 0x73676174 ? TAGS : UNKNOWN;
}

/** What the key of `length` bytes at `at` means in an object of that kind. */
export function fieldOf(kind: i32, at: i32, length: i32): i32 {
  if (length === 0) return UNKNOWN;
  if (kind === RECORD) return recordField(at, length);
  if (kind === IN_DATA) return dataField(at, length);
  if (length !== 6 || word(at, 6) !== 0x64695f626f6a) return UNKNOWN;
  return kind === IN_CONTEXT ? CONTEXT_JOB_ID : TAGS_JOB_ID;
}
