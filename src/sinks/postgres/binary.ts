/**
 * Values in PostgreSQL's binary format: neither side has to write or read numbers, quotes and escapes as text, which
 * is most of the cost of an insert. A value is its length in bytes, then its bytes, alike in arrays and in COPY. Each
 * function writes one at `at` and returns where the next begins.
 */

/** Ids of built-in types, the same in every server. */
export const TYPE_IDS = {
  timestamptz: 1184,
  uuid: 2950,
  int8: 20,
  float8: 701,
  text: 25,
  jsonb: 3802,
} as const;

/** 2000-01-01, where PostgreSQL's time begins. */
const EPOCH_MS = Date.UTC(2000, 0, 1);
const TWO_TO_32 = 2 ** 32;
const UUID_BYTES = 16;
/** Before the text of every `jsonb`. */
const JSONB_VERSION = 1;
const DASH = 45;

/** The absence of a value, of any type. */
export const putNull = (buffer: Buffer, at: number): number => buffer.writeInt32BE(-1, at);

/** A whole number. */
export function putInt8(buffer: Buffer, value: number, at: number): number {
  const high = Math.floor(value / TWO_TO_32);
  return put64(buffer, high, value - high * TWO_TO_32, at);
}

/** A double. */
export const putFloat8 = (buffer: Buffer, value: number, at: number): number =>
  buffer.writeDoubleBE(value, buffer.writeInt32BE(8, at));

/** Epoch milliseconds. In two steps: microseconds of the years 0 and 9999 do not fit into a double. */
export function putTimestamptz(buffer: Buffer, epochMs: number, at: number): number {
  const ms = epochMs - EPOCH_MS;
  const upper = Math.floor(ms / TWO_TO_32);
  const lower = (ms - upper * TWO_TO_32) * 1000;
  const carry = Math.floor(lower / TWO_TO_32);
  return put64(buffer, upper * 1000 + carry, lower - carry * TWO_TO_32, at);
}

function put64(buffer: Buffer, high: number, low: number, at: number): number {
  return buffer.writeUInt32BE(low, buffer.writeInt32BE(high, buffer.writeInt32BE(8, at)));
}

/** A UUID as text. A loop, as it is much faster than taking the dashes out and decoding the rest. */
export function putUuid(buffer: Buffer, id: string, at: number): number {
  let to = buffer.writeInt32BE(UUID_BYTES, at);
  for (let digit = 0; digit < id.length; digit += 2) {
    if (id.charCodeAt(digit) === DASH) digit++;
    buffer[to++] = (nibble(id.charCodeAt(digit)) << 4) | nibble(id.charCodeAt(digit + 1));
  }
  return to;
}

/** A hex digit's value, in either case. */
const nibble = (char: number) => (char & 15) + (char >> 6) * 9;

/** Text without U+0000. */
export function putText(buffer: Buffer, text: string, at: number): number {
  const bytes = buffer.write(text, at + 4);
  buffer.writeInt32BE(bytes, at);
  return at + 4 + bytes;
}

/** JSON text. */
export function putJsonb(buffer: Buffer, json: string, at: number): number {
  const bytes = buffer.write(json, at + 5);
  buffer.writeInt32BE(bytes + 1, at);
  buffer[at + 4] = JSONB_VERSION;
  return at + 5 + bytes;
}
