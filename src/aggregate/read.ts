import type { Message } from '../message.ts';

/** What `readNumbers` found; valid until the next call. Kept as one so that nothing is made a message. */
export const found = {
  /** Two hashes of all that tells series apart: the keys, and the texts of `name`, `unit`, `kind`, `per` and tags. */
  hash: 0,
  check: 0,
  /** The numbers of the members of `data`, in order, and how many there are. */
  numbers: new Float64Array(16),
  count: 0,
};

const DATA = Buffer.from('"data":{');
const QUOTE = 34;
const BACKSLASH = 92;
const OPEN = 123;
const CLOSE = 125;
const COMMA = 44;
const COLON = 58;
const DOT = 46;
const MINUS = 45;
const ZERO = 48;
/** Digits of an integer that is exact, as is the quotient of two that are: both are correctly rounded. */
const MAX_DIGITS = 15;
const POWERS = Array.from({ length: 16 }, (_, exponent) => 10 ** exponent);

const PRIME = 0x01000193;

let hash = 0;
let check = 0;

/** Passes a text whose opening quote is before `at`; where it closes, or -1. */
function skipText(text: Buffer, from: number, end: number): number {
  for (let at = from; at < end; at++) {
    const byte = text[at];
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) return -1;
  }
  return -1;
}

/** Likewise, and adds it to the hashes, which are kept in registers meanwhile. */
function hashText(text: Buffer, from: number, end: number): number {
  let first = hash;
  let second = check;
  for (let at = from; at < end; at++) {
    const byte = text[at] as number;
    if (byte === QUOTE) {
      hash = first;
      check = second;
      return at;
    }
    if (byte === BACKSLASH) return -1;
    first = Math.imul(first ^ byte, PRIME);
    second = (Math.imul(second, 31) + byte) | 0;
  }
  return -1;
}

/** Where `data` was found before, from the start of a message: senders write alike, so that it is there again. */
const offsets = new Int32Array(8);
let nextOffset = 0;

/** Where `"data":{` starts, or -1. A loop, as a search of the library costs a microsecond. */
function findData(text: Buffer, start: number, end: number): number {
  for (let guess = 0; guess < offsets.length; guess++) {
    const at = start + (offsets[guess] as number);
    if (isData(text, at)) return at < end ? at : -1;
  }
  for (let at = start; at < end; at++) {
    if (!isData(text, at)) continue;
    offsets[nextOffset++ % offsets.length] = at - start;
    return at;
  }
  return -1;
}

function isData(text: Buffer, at: number): boolean {
  // The first bytes that differ most often come first.
  if (text[at + 7] !== OPEN || text[at + 1] !== DATA[1] || text[at] !== QUOTE) return false;
  for (let index = 2; index < DATA.length; index++) if (text[at + index] !== DATA[index]) return false;
  return true;
}

/** Reads a number at `from` into `found`; where it ends, or -1. */
function takeNumber(text: Buffer, from: number, end: number): number {
  const isNegative = text[from] === MINUS;
  const first = isNegative ? from + 1 : from;
  let at = first;
  let digits = 0;
  let point = -1;
  for (; at < end; at++) {
    const byte = text[at] as number;
    if (byte === COMMA || byte === CLOSE) break;
    if (byte === DOT && point < 0) point = at;
    else if (byte >= ZERO && byte <= ZERO + 9) digits = digits * 10 + (byte - ZERO);
    else return -1;
  }
  const length = at - first - (point < 0 ? 0 : 1);
  if (length < 1 || length > MAX_DIGITS || found.count === found.numbers.length) return -1;
  const value = point < 0 ? digits : digits / (POWERS[at - point - 1] as number);
  found.numbers[found.count++] = isNegative ? -value : value;
  hash = Math.imul(hash ^ MINUS, PRIME);
  return at;
}

/**
 * Reads the numbers of the flat `data` of a message as it was sent without parsing it, into `found`. False for what
 * is not written plainly (blanks, escapes, exponents, arrays, deep objects): `JSON.parse` has to read that.
 */
export function readNumbers({ text, start, headBytes }: Message): boolean {
  const end = start + headBytes;
  const dataAt = findData(text, start, end);
  if (dataAt < 0) return false;
  hash = 0x811c9dc5 | 0;
  check = 17;
  found.count = 0;
  const isWhole = readMembers(text, dataAt + DATA.length, end);
  found.hash = hash;
  found.check = check;
  return isWhole;
}

/** Of `name`, `unit`, `kind` and `per`: texts with longer keys say nothing of the series, and differ each time. */
const MAX_KEY_LENGTH = 4;
const TAGS_LENGTH = 4;
const JOB_ID = Buffer.from('job_id');

function isJobId(text: Buffer, at: number, length: number): boolean {
  if (length !== JOB_ID.length) return false;
  for (let index = 0; index < length; index++) if (text[at + index] !== JOB_ID[index]) return false;
  return true;
}

/** Reads members up to the brace that closes `data`, those of one object within included. */
function readMembers(text: Buffer, from: number, end: number): boolean {
  let isInner = false;
  let isTags = false;
  let at = from;
  while (at < end) {
    if (text[at] === CLOSE) {
      if (!isInner) return true;
      isInner = false;
      at++;
    } else {
      if (text[at] !== QUOTE) return false;
      const keyAt = at + 1;
      at = hashText(text, keyAt, end) + 1;
      if (at === 0 || text[at] !== COLON) return false;
      const keyLength = at - 1 - keyAt;
      at++;
      const byte = text[at];
      if (byte === OPEN) {
        if (isInner) return false;
        isInner = true;
        isTags = keyLength === TAGS_LENGTH;
        hash = Math.imul(hash ^ OPEN, PRIME);
        at++;
        continue;
      }
      if (byte === QUOTE) {
        hash = Math.imul(hash ^ QUOTE, PRIME);
        const counts = isInner ? isTags && !isJobId(text, keyAt, keyLength) : keyLength <= MAX_KEY_LENGTH;
        at = (counts ? hashText(text, at + 1, end) : skipText(text, at + 1, end)) + 1;
      } else if (isInner) {
        // A number that is part of a tag.
        return false;
      } else at = takeNumber(text, at, end);
      if (at <= 0) return false;
    }
    if (text[at] === COMMA) at++;
  }
  return false;
}
