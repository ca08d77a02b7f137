/** Where a transcription is in its bytes. */
interface Cursor {
  readonly bytes: Buffer;
  at: number;
}

/**
 * JSON text of the MessagePack value at `start`, whose boundaries a scanner has found. What JSON lacks is written
 * so: integers beyond 2^53 exactly; bin as `"base64:…"`; timestamps in RFC 3339, nanoseconds kept; other ext as
 * `"ext:<type>:base64:…"`; NaN and infinities as strings; keys as strings; bad UTF-8 as U+FFFD. Throws
 * `TypeError` for a map or array as a key.
 */
export function transcribe(bytes: Buffer, start: number): string {
  return valueText({ bytes, at: start });
}

function valueText(cursor: Cursor): string {
  const first = cursor.bytes.readUInt8(cursor.at++);
  if (first < 0x80) return String(first);
  if (first < 0x90) return mapText(cursor, first & 0x0f);
  if (first < 0xa0) return arrayText(cursor, first & 0x0f);
  if (first < 0xc0) return stringText(cursor, first & 0x1f);
  if (first >= 0xe0) return String(first - 0x100);
  return longText(cursor, first);
}

function longText(cursor: Cursor, first: number): string {
  switch (first) {
    case 0xc0:
      return 'null';
    case 0xc2:
      return 'false';
    case 0xc3:
      return 'true';
    case 0xca:
      return floatText(take(cursor, 4).readFloatBE());
    case 0xcb:
      return floatText(take(cursor, 8).readDoubleBE());
    case 0xcf:
      return String(take(cursor, 8).readBigUInt64BE());
    case 0xd3:
      return String(take(cursor, 8).readBigInt64BE());
  }
  if (first <= 0xc6) return quoted(`base64:${take(cursor, length(cursor, first - 0xc4)).toString('base64')}`);
  if (first <= 0xc9) return extText(cursor, length(cursor, first - 0xc7));
  if (first <= 0xce) return String(length(cursor, first - 0xcc));
  if (first <= 0xd2) return String(take(cursor, 1 << (first - 0xd0)).readIntBE(0, 1 << (first - 0xd0)));
  if (first <= 0xd8) return extText(cursor, 1 << (first - 0xd4));
  if (first <= 0xdb) return stringText(cursor, length(cursor, first - 0xd9));
  if (first <= 0xdd) return arrayText(cursor, length(cursor, first - 0xdb));
  return mapText(cursor, length(cursor, first - 0xdd));
}

function take(cursor: Cursor, size: number): Buffer {
  const from = cursor.at;
  cursor.at += size;
  return cursor.bytes.subarray(from, cursor.at);
}

/** An unsigned integer of 1, 2 or 4 bytes, by `exponent`. */
const length = (cursor: Cursor, exponent: number) => take(cursor, 1 << exponent).readUIntBE(0, 1 << exponent);

const quoted = (text: string) => JSON.stringify(text);
const stringText = (cursor: Cursor, size: number) => quoted(take(cursor, size).toString());
const floatText = (value: number) => (Number.isFinite(value) ? String(value) : quoted(String(value)));

function arrayText(cursor: Cursor, size: number): string {
  const items: string[] = [];
  for (let i = 0; i < size; i++) items.push(valueText(cursor));
  return `[${items.join(',')}]`;
}

function mapText(cursor: Cursor, size: number): string {
  const members: string[] = [];
  for (let i = 0; i < size; i++) members.push(`${keyText(cursor)}:${valueText(cursor)}`);
  return `{${members.join(',')}}`;
}

function keyText(cursor: Cursor): string {
  const text = valueText(cursor);
  if (text.startsWith('{') || text.startsWith('[')) throw new TypeError('a map or an array is a key');
  return text.startsWith('"') ? text : quoted(text);
}

const TIMESTAMP = -1;

function extText(cursor: Cursor, size: number): string {
  const type = take(cursor, 1).readInt8();
  const payload = take(cursor, size);
  const iso = type === TIMESTAMP ? isoText(payload) : undefined;
  return quoted(iso ?? `ext:${type}:base64:${payload.toString('base64')}`);
}

/** A timestamp of the 32-, 64- or 96-bit form in RFC 3339; `undefined` if it is none, or not of the years 0–9999. */
function isoText(payload: Buffer): string | undefined {
  if (payload.length === 4) return iso(BigInt(payload.readUInt32BE()), 0);
  if (payload.length === 12) return iso(payload.readBigInt64BE(4), payload.readUInt32BE());
  if (payload.length !== 8) return undefined;
  const packed = payload.readBigUInt64BE();
  return iso(packed & 0x3ffffffffn, Number(packed >> 34n));
}

function iso(seconds: bigint, nanoseconds: number): string | undefined {
  if (seconds < -62_167_219_200n || seconds > 253_402_300_799n || nanoseconds > 999_999_999) return undefined;
  const whole = new Date(Number(seconds) * 1000).toISOString().slice(0, 19);
  const digits = String(nanoseconds)
    .padStart(9, '0')
    .replace(/(000){1,3}$/, '');
  return digits === '' ? `${whole}Z` : `${whole}.${digits}Z`;
}
