import type { Message } from '../message.ts';

/** What `readNumbers` found; valid until the next call. Kept as one so that nothing is made a message. */
export const found = {
  /** Two hashes of all that is not a value: the keys, and where `withTexts` the texts. */
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

/** Passes a text whose opening quote is before `at`, hashing it if so asked; where it closes, or -1. */
function passText(text: Buffer, from: number, end: number, isHashed: boolean): number {
  let at = from;
  for (; at < end; at++) {
    const byte = text[at] as number;
    if (byte === QUOTE) return at;
    if (byte === BACKSLASH) return -1;
    if (!isHashed) continue;
    hash = Math.imul(hash ^ byte, PRIME);
    check = (Math.imul(check, 31) + byte) | 0;
  }
  return -1;
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
export function readNumbers({ text, start, headBytes }: Message, withTexts: boolean): boolean {
  const end = start + headBytes;
  const dataAt = text.indexOf(DATA, start);
  if (dataAt < 0 || dataAt >= end) return false;
  hash = 0x811c9dc5 | 0;
  check = 17;
  found.count = 0;
  const isWhole = readMembers(text, dataAt + DATA.length, end, withTexts);
  found.hash = hash;
  found.check = check;
  return isWhole;
}

/** Reads members up to the brace that closes `data`, those of one object within included. */
function readMembers(text: Buffer, from: number, end: number, withTexts: boolean): boolean {
  let isInner = false;
  let at = from;
  while (at < end) {
    if (text[at] === CLOSE) {
      if (!isInner) return true;
      isInner = false;
      at++;
    } else {
      if (text[at] !== QUOTE) return false;
      at = passText(text, at + 1, end, true) + 1;
      if (at === 0 || text[at] !== COLON) return false;
      at++;
      const byte = text[at];
      if (byte === OPEN) {
        if (isInner) return false;
        isInner = true;
        hash = Math.imul(hash ^ OPEN, PRIME);
        at++;
        continue;
      }
      if (byte === QUOTE) {
        hash = Math.imul(hash ^ QUOTE, PRIME);
        at = passText(text, at + 1, end, withTexts) + 1;
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
