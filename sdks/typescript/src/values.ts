/** JavaScript values as JSON: bounded, never throwing, arguments left as they are. */
import { types } from 'node:util';

export const MAX_RECORD_BYTES = 65_536;
export const MAX_TEXT_BYTES = 8192;
export const MAX_KEYS = 128;
const MAX_ITEMS = 256;
const MAX_DEPTH = 8;
const LONE_SURROGATE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/g;
const NO_TEXT = '[object Object]';
const ASCII = /^[\x00-\x7f]*$/;

/** What JSON can say. */
export type Plain = null | boolean | number | string | Plain[] | { [key: string]: Plain };

/** Text of at most 8 KiB of UTF-8, cut at a character; lone surrogates become U+FFFD. */
export function cleanText(value: unknown): string {
  let text: string;
  try {
    text = typeof value === 'string' ? value : String(value);
  } catch {
    return '<unprintable>';
  }
  if (text.length > MAX_TEXT_BYTES) text = text.slice(0, MAX_TEXT_BYTES + 1);
  if (ASCII.test(text)) return text.slice(0, MAX_TEXT_BYTES);
  text = text.replace(LONE_SURROGATE, '\uFFFD');
  if (Buffer.byteLength(text) <= MAX_TEXT_BYTES) return text;
  const bytes = Buffer.from(text);
  let end = MAX_TEXT_BYTES;
  // A byte 10xxxxxx continues a character.
  while (((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  return bytes.toString('utf8', 0, end);
}

/** Bytes that a value may still take; never less than it does take, so that one cut off for them makes no record. */
interface Room {
  left: number;
}

/** A value within the limits; of one that is larger than any record, as what is shared may be, a part. */
export function plain(value: unknown, depth = 0, within: readonly unknown[] = [], room: Room = { left: MAX_RECORD_BYTES }): Plain {
  switch (typeof value) {
    case 'string':
      return counted(cleanText(value), room);
    case 'number':
      return plainNumber(value);
    case 'boolean':
      return value;
    case 'undefined':
      return null;
    case 'bigint':
      return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER ? Number(value) : String(value);
    case 'object':
      return value === null ? null : plainObject(value, depth, within, room);
    default:
      return counted(cleanText(value), room);
  }
}

function counted(text: string, room: Room): string {
  room.left -= text.length;
  return text;
}

function plainNumber(value: number): Plain {
  if (!Number.isFinite(value)) return String(value);
  if (Object.is(value, -0)) return 0;
  const isLarge = Number.isInteger(value) && Math.abs(value) > 2 ** 53 && Math.abs(value) < 1e21;
  return isLarge ? BigInt(value).toString() : value;
}

function plainObject(value: object, depth: number, within: readonly unknown[], room: Room): Plain {
  try {
    if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : isoDate(value);
    if (ArrayBuffer.isView(value)) return counted(base64(Buffer.from(value.buffer, value.byteOffset, value.byteLength)), room);
    if (value instanceof ArrayBuffer) return counted(base64(Buffer.from(value)), room);
    if (value instanceof Error) return counted(cleanText(stackOf(value)), room);
    if (within.includes(value)) return '<cyclic>';
    if (depth >= MAX_DEPTH) return '<depth>';
    if (room.left <= 0) return '<large>';
    const deeper = [...within, value];
    const inner = (item: unknown) => {
      room.left--;
      return plain(item, depth + 1, deeper, room);
    };
    if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map(inner);
    if (value instanceof Set) return [...value].slice(0, MAX_ITEMS).map(inner);
    const own = 'toJSON' in value && typeof value.toJSON === 'function' ? value.toJSON('') : value;
    if (own !== value) return inner(own);
    const entries = hasEntries(value) ? [...value] : Object.keys(value).map((key) => [key, memberOf(value, key)] as const);
    if (entries.length === 0) return bare(value, room);
    const members = entries.slice(0, MAX_KEYS).map(([key, item]) => [counted(cleanText(key), room), inner(item)] as const);
    return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
  } catch {
    return '<unprintable>';
  }
}

/** Whether it iterates over names and values, as a Map and Headers do; of those in a query a name may be there twice. */
function hasEntries(value: { [Symbol.iterator]?: unknown; entries?: unknown }): value is Iterable<readonly [unknown, unknown]> {
  const iterate = value[Symbol.iterator];
  return iterate !== undefined && iterate === value.entries && !(value instanceof URLSearchParams);
}

/** What has no members: the number or boolean that it wraps, else its text, if that says more than that it is an object. */
function bare(value: object, room: Room): Plain {
  if (types.isBoxedPrimitive(value)) return plain(value.valueOf(), MAX_DEPTH, [], room);
  const text = 'toString' in value && !hasEntries(value) ? cleanText(value) : NO_TEXT;
  return text === NO_TEXT ? {} : counted(text, room);
}

/** A member; that of a getter that throws says so, and leaves the others as they are. */
function memberOf(value: object, key: string): unknown {
  try {
    return value[key as keyof typeof value];
  } catch {
    return '<unprintable>';
  }
}

/** What an error's stack says, and those of the errors that caused it, as far as there is room. */
function stackOf(error: Error, depth = 0): string {
  let text = cleanText(error.stack ?? error);
  const causes: unknown[] = error instanceof AggregateError ? error.errors : [error.cause];
  for (const cause of causes) {
    if (depth >= MAX_DEPTH || text.length >= MAX_TEXT_BYTES) break;
    if (cause instanceof Error) text += `\nCaused by: ${stackOf(cause, depth + 1)}`;
  }
  return text;
}

const isoDate = (date: Date) => date.toISOString().replace('.000Z', 'Z');

const base64 = (bytes: Buffer) => `base64:${bytes.subarray(0, MAX_TEXT_BYTES).toString('base64')}`;

/** Compact JSON of what `plain` gave; control characters but \n, \r and \t as \u00xx. */
export function toJson(value: Plain): string {
  const text = JSON.stringify(value);
  if (!text.includes('\\b') && !text.includes('\\f')) return text;
  return text.replace(/\\(?:["\\/nrtu]|([bf]))/g, (all, letter) =>
    letter === 'b' ? '\\u0008' : letter === 'f' ? '\\u000c' : all,
  );
}
