// AssemblyScript: the numbers of a record's `data`, and a hash of all that tells which series they are of. It is told
// of each member once that is known to be valid.
import { isDigit, word } from './json';

/** As f64: the numbers of the members of `data`, in order. */
export const MEMBERS: i32 = 0x200;
const MOST: i32 = 16;
/** Integers of so many digits are exact, as is the quotient of two that are: both are correctly rounded. */
const MOST_DIGITS: i32 = 15;

const JOB_ID: u64 = 0x64695f626f6a;
/** Of `name`, `unit`, `kind`, `tags`, `per`: texts with longer keys say nothing of the series. */
const LONGEST_KEY: i32 = 4;
const NUMBER: u64 = 0x2d;
const TAG: u64 = 0x100;

let hash: u64 = 0;
/** -1 once one was not written plainly. */
let count: i32 = 0;

function mix(value: u64): void {
  const mixed = (hash ^ value) * 0x9e3779b97f4a7c15;
  hash = mixed ^ (mixed >> 29);
}

/** Forgets what was read before. */
export function startNumbers(seed: u64): void {
  hash = seed;
  count = 0;
}

/** Mixes the bytes from `at` to `end` into the hash. No text is the beginning of another if a quote ends it. */
export function mixBytes(at: i32, end: i32): void {
  for (; end - at > 8; at += 8) mix(load<u64>(at));
  mix(word(at, end - at));
}

function addNumber(at: i32, end: i32): void {
  mix(NUMBER);
  const isNegative = load<u8>(at) === 45;
  if (isNegative) at++;
  if (count < 0 || count === MOST || end - at > MOST_DIGITS + 1) {
    count = -1;
    return;
  }
  let digits: i64 = 0;
  let scale: i64 = 0;
  for (; at < end; at++) {
    const c: i32 = load<u8>(at);
    if (isDigit(c)) {
      digits = digits * 10 + <i64>(c - 48);
      scale *= 10;
    } else if (c === 46) scale = 1;
    else {
      count = -1;
      return;
    }
  }
  // Without a point there may be one digit more, which is one too many.
  if (digits >= 1_000_000_000_000_000) {
    count = -1;
    return;
  }
  const value = scale > 1 ? <f64>digits / <f64>scale : <f64>digits;
  store<f64>(MEMBERS + (count++ << 3), isNegative ? -value : value);
}

/** Takes a member of `data` with a key of `length` bytes at `key`, and its value from `at` to `end`. */
export function addMember(key: i32, length: i32, at: i32, end: i32): void {
  mixBytes(key, key + length + 1);
  const c: i32 = load<u8>(at);
  if (c === 45 || isDigit(c)) {
    addNumber(at, end);
    return;
  }
  mix(c);
  if (c === 34 && length <= LONGEST_KEY) mixBytes(at, end);
}

/** Takes a tag likewise. The id of a job is none, as each would be a series of its own; nor are objects and arrays. */
export function addTag(key: i32, length: i32, at: i32, end: i32): void {
  mixBytes(key, key + length + 1);
  const c: i32 = load<u8>(at);
  mix(TAG | c);
  if (c === 123 || c === 91 || (length === 6 && word(key, 6) === JOB_ID)) return;
  mixBytes(at, end);
}

/** How many numbers there are; -1 if they cannot be told. */
export function numberCount(): i32 {
  return count;
}

/** The hash of what was taken. */
export function numbersHash(): u64 {
  return hash ^ (hash >> 32);
}
