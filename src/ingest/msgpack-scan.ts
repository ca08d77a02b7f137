import type { Rejection } from './rejections.ts';

/** Deepest nesting of a MessagePack record, the top-level map included. */
export const MAX_DEPTH = 32;
/** Most array items and map entries of one record, all levels together. */
export const MAX_ELEMENTS = 65_536;

/** Finds where records end without trusting a declared size, and goes on where the bytes ended. */
export interface Scanner {
  /**
   * Length of the record that starts at `start`; 0: it is not complete by `end`. To go on, call again with the
   * same record from its start and more bytes behind it. A reason: there is no valid record here.
   */
  scan(bytes: Buffer, start: number, end: number): number | Rejection;
  /** Whether the last record found has a JSON value by any reader: see `msgpack-text.ts` for what has not. */
  isPlain(): boolean;
  /** Forgets an incomplete record. */
  reset(): void;
}

/** Bytes of an item from C0 to DF: its header, and for FIXED ones the value too. C1 is never used. */
// biome-ignore format: a table
const SIZE = [1, 0, 1, 1, 2, 3, 5, 3, 4, 6, 5, 9, 2, 3, 5, 9, 2, 3, 5, 9, 3, 4, 6, 10, 18, 2, 3, 5, 3, 5, 3, 5];
/** Width of the declared length that follows the first byte; 0: none. */
// biome-ignore format: a table
const WIDTH = [0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 4, 2, 4, 2, 4];

/** A scanner of one connection's records, each at most `maxBytes` long. */
export function createScanner(maxBytes: number): Scanner {
  const nesting = createNesting();
  let offset = 0;
  let plain = true;

  const reset = () => {
    offset = 0;
    nesting.reset();
  };
  const fail = (reason: Rejection) => {
    reset();
    return reason;
  };
  const scan = (bytes: Buffer, start: number, end: number): number | Rejection => {
    if (offset === 0) plain = true;
    for (let at = start + offset; ; ) {
      const size = sizeOf(bytes, at, end);
      if (size === INVALID) return fail('msgpack');
      if (at + size - start > maxBytes) return fail('too_large');
      if (size === 0 || at + size > end) {
        offset = at - start;
        return 0;
      }
      const length = lengthOf(bytes, at);
      if (length < 0) plain &&= isPlainItem(bytes, at);
      const refused = length < 0 ? nesting.item() : nesting.enter(length, isMap(bytes[at]));
      if (refused !== undefined) return fail(refused);
      at += size;
      if (nesting.close()) {
        reset();
        return at - start;
      }
    }
  };
  return { scan, isPlain: () => plain, reset };
}

/** The maps and arrays that are open, and how many items each still lacks. */
function createNesting() {
  const outer: number[] = [];
  let left = 1;
  let elements = 0;
  return {
    reset() {
      outer.length = 0;
      left = 1;
      elements = 0;
    },
    /** Opens a map or an array of a declared length. */
    enter(length: number, isMapping: boolean): Rejection | undefined {
      elements += length;
      if (elements > MAX_ELEMENTS) return 'too_many';
      if (outer.length === MAX_DEPTH) return 'too_deep';
      outer.push(left - 1);
      left = isMapping ? 2 * length : length;
      return undefined;
    },
    /** Counts an item that is neither. */
    item(): undefined {
      left--;
    },
    /** Closes what is complete; whether that is the record itself. */
    close(): boolean {
      while (left === 0) {
        const lacking = outer.pop();
        if (lacking === undefined) return true;
        left = lacking;
      }
      return false;
    },
  };
}

const INVALID = -1;

/** Bytes of the item at `at`, for maps and arrays of their header; 0: its header is not complete by `end`. */
function sizeOf(bytes: Buffer, at: number, end: number): number {
  if (at >= end) return 0;
  const first = bytes[at] ?? 0;
  if (first < 0xa0 || first >= 0xe0) return 1;
  if (first < 0xc0) return 1 + (first & 0x1f);
  const size = SIZE[first - 0xc0] ?? 0;
  if (size === 0) return INVALID;
  const width = WIDTH[first - 0xc0] ?? 0;
  if (width === 0 || first >= 0xdc) return at + size > end ? 0 : size;
  return at + 1 + width > end ? 0 : size + bytes.readUIntBE(at + 1, width);
}

/** Declared length of the map or array at `at`; -1: it is neither. */
function lengthOf(bytes: Buffer, at: number): number {
  const first = bytes[at] ?? 0;
  if (first < 0x80 || first >= 0xe0) return -1;
  if (first < 0xa0) return first & 0x0f;
  return first < 0xdc ? -1 : bytes.readUIntBE(at + 1, first & 1 ? 4 : 2);
}

/** Whether `byte` opens a map. */
export function isMap(byte: number | undefined): boolean {
  return byte !== undefined && ((byte >= 0x80 && byte <= 0x8f) || byte === 0xde || byte === 0xdf);
}

/** Whether the item at `at`, neither map nor array, is the same in JSON: no bin, ext, NaN, integer beyond 2^53. */
function isPlainItem(bytes: Buffer, at: number): boolean {
  const first = bytes[at] ?? 0;
  if (first < 0xa0 || first >= 0xe0) return true;
  const second = bytes[at + 1] ?? 0;
  const third = bytes[at + 2] ?? 0;
  if (first < 0xc0) return first !== 0xa9 || second !== UNDERSCORE;
  if (first <= 0xc3) return true;
  if (first <= 0xc9) return false;
  if (first === 0xca) return (second & 0x7f) !== 0x7f || third < 0x80;
  if (first === 0xcb) return (second & 0x7f) !== 0x7f || third < 0xf0;
  if (first === 0xcf) return second === 0 && third < 0x20;
  if (first === 0xd3) return second === 0 ? third < 0x20 : second === 0xff && third >= 0xe0;
  if (first >= 0xd9) return bytes[at + (SIZE[first - 0xc0] ?? 0)] !== UNDERSCORE;
  return first < 0xd4;
}

/** Nine bytes from here may be `__proto__`, which an object built key by key would not survive. */
const UNDERSCORE = 0x5f;
