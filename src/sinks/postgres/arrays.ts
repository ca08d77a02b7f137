/**
 * Arrays in PostgreSQL's binary format: a Buffer is sent as it is, and neither side has to write or read numbers,
 * quotes and escapes as text, which is most of the cost of an insert.
 */

const HEADER_BYTES = 20;
const NULL = -1;
/** Ids of built-in types, the same in every server. */
const OIDS = { timestamptz: 1184, uuid: 2950, int8: 20, float8: 701, text: 25, jsonb: 3802 } as const;

/** 2000-01-01, where PostgreSQL's time begins. */
const EPOCH_MS = Date.UTC(2000, 0, 1);
const TWO_TO_32 = 2 ** 32;
/** Before the text of every `jsonb`. */
const JSONB_VERSION = 1;
/** Most bytes of UTF-8 that a UTF-16 code unit may take. */
const BYTES_PER_UNIT = 3;

type Put = (buffer: Buffer, value: number, at: number) => void;

const putInt8: Put = (buffer, value, at) => {
  const high = Math.floor(value / TWO_TO_32);
  buffer.writeInt32BE(high, at);
  buffer.writeUInt32BE(value - high * TWO_TO_32, at + 4);
};

/** `bigint[]` of whole numbers. */
export const int8Array = numbers('int8', putInt8);

/** `float8[]`. */
export const float8Array = numbers('float8', (buffer, value, at) => void buffer.writeDoubleBE(value, at));

/** `timestamptz[]` of epoch milliseconds. */
export const timestamptzArray = numbers('timestamptz', (buffer, ms, at) => {
  // In two steps: microseconds of the years 0 and 9999 do not fit into a double.
  const { high, low } = micros(ms - EPOCH_MS);
  buffer.writeInt32BE(high, at);
  buffer.writeUInt32BE(low, at + 4);
});

/** 1,000 times `ms` as the halves of 64 bits. */
function micros(ms: number): { high: number; low: number } {
  const upper = Math.floor(ms / TWO_TO_32);
  const lower = (ms - upper * TWO_TO_32) * 1000;
  const carry = Math.floor(lower / TWO_TO_32);
  return { high: upper * 1000 + carry, low: lower - carry * TWO_TO_32 };
}

/** `uuid[]` of UUIDs as text. */
export function uuidArray(ids: readonly string[]): Buffer {
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + 20 * ids.length);
  let at = putHeader(buffer, 'uuid', ids.length);
  for (const id of ids) {
    buffer.writeInt32BE(16, at);
    at = putUuid(buffer, id, at + 4);
  }
  return buffer;
}

/** Writes a UUID's 16 bytes; much faster than taking the dashes out and decoding the rest. */
function putUuid(buffer: Buffer, id: string, from: number): number {
  let at = from;
  for (let digit = 0; digit < id.length; digit += 2) {
    if (id.charCodeAt(digit) === 45) digit++;
    buffer[at++] = (nibble(id.charCodeAt(digit)) << 4) | nibble(id.charCodeAt(digit + 1));
  }
  return at;
}

/** A hex digit's value, in either case. */
const nibble = (char: number) => (char & 15) + (char >> 6) * 9;

/** `text[]`. */
export const textArray = (texts: readonly (string | null)[]): Buffer => strings('text', texts, 0);

/** `jsonb[]` of JSON text. */
export const jsonbArray = (texts: readonly (string | null)[]): Buffer => strings('jsonb', texts, 1);

function numbers(type: keyof typeof OIDS, put: Put) {
  return (values: readonly (number | null)[]): Buffer => {
    const buffer = Buffer.allocUnsafe(HEADER_BYTES + 12 * values.length);
    let at = putHeader(buffer, type, values.length);
    for (const value of values) {
      if (value === null) {
        at = buffer.writeInt32BE(NULL, at);
      } else {
        buffer.writeInt32BE(8, at);
        put(buffer, value, at + 4);
        at += 12;
      }
    }
    return buffer.subarray(0, at);
  };
}

function strings(
  type: keyof typeof OIDS,
  texts: readonly (string | null)[],
  prefixBytes: 0 | typeof JSONB_VERSION,
): Buffer {
  const units = texts.reduce((sum, text) => sum + (text?.length ?? 0), 0);
  const buffer = Buffer.allocUnsafe(HEADER_BYTES + 5 * texts.length + BYTES_PER_UNIT * units);
  let at = putHeader(buffer, type, texts.length);
  for (const text of texts) {
    if (text === null) {
      at = buffer.writeInt32BE(NULL, at);
      continue;
    }
    const from = at + 4 + prefixBytes;
    if (prefixBytes > 0) buffer[at + 4] = JSONB_VERSION;
    const bytes = buffer.write(text, from);
    buffer.writeInt32BE(bytes + prefixBytes, at);
    at = from + bytes;
  }
  return buffer.subarray(0, at);
}

/** One dimension from 1 on; nulls are allowed. */
function putHeader(buffer: Buffer, type: keyof typeof OIDS, length: number): number {
  buffer.writeInt32BE(1, 0);
  buffer.writeInt32BE(1, 4);
  buffer.writeUInt32BE(OIDS[type], 8);
  buffer.writeInt32BE(length, 12);
  return buffer.writeInt32BE(1, 16);
}
