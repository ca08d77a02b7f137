// AssemblyScript: the numbers of a record's `data`, and a hash of all that tells which series they are of. The record
// is valid JSON already.
import { isDigit, skipBlank, skipColon, skipPlainString, skipValue, word } from './json';

/** As f64: the numbers of the members of `data`, in order. */
export const MEMBERS: i32 = 0x200;
const MOST: i32 = 16;
/** Integers of so many digits are exact, as is the quotient of two that are: both are correctly rounded. */
const MOST_DIGITS: i32 = 15;

const TAGS: u64 = 0x73676174;
const JOB_ID: u64 = 0x64695f626f6a;
/** Of `name`, `unit`, `kind`, `tags`, `per`: texts with longer keys say nothing of the series. */
const LONGEST_KEY: i32 = 4;
const NUMBER: u64 = 0x2d;

let hash: u64 = 0;
let count: i32 = 0;

function mix(value: u64): void {
  const mixed = (hash ^ value) * 0x9e3779b97f4a7c15;
  hash = mixed ^ (mixed >> 29);
}

/** Mixes the bytes from `at` to `end`, the last of which is told by what follows it. */
function mixBytes(at: i32, end: i32): void {
  for (; end - at > 8; at += 8) mix(load<u64>(at));
  mix(word(at, end - at));
}

/** After the number at `at`, which is added to the others; -1 if it is not written plainly. */
function number(at: i32): i32 {
  const isNegative = load<u8>(at) === 45;
  if (isNegative) at++;
  let digits: i64 = 0;
  let scale: i64 = 1;
  let left = MOST_DIGITS;
  let isFraction = false;
  let c: i32 = load<u8>(at);
  for (; isDigit(c) || c === 46; c = load<u8>(++at)) {
    if (c === 46) {
      isFraction = true;
      continue;
    }
    if (--left < 0) return -1;
    digits = digits * 10 + <i64>(c - 48);
    if (isFraction) scale *= 10;
  }
  if ((c | 32) === 101 || count === MOST) return -1;
  const value = isFraction ? <f64>digits / <f64>scale : <f64>digits;
  store<f64>(MEMBERS + (count++ << 3), isNegative ? -value : value);
  mix(NUMBER);
  return at;
}

/** Mixes the tags, up to their closing brace; after it. The id of a job is none: each would be a series of its own. */
function tags(at: i32): i32 {
  at = skipBlank(at);
  while (load<u8>(at) === 34) {
    const key = at;
    at = skipValue(at, 0);
    const isJobId = at - key === 8 && word(key + 1, 6) === JOB_ID;
    mixBytes(key, at);
    const from = skipColon(at);
    at = skipValue(from, 0);
    const c: i32 = load<u8>(from);
    mix(c);
    // Objects and arrays are no tags.
    if (!isJobId && c !== 123 && c !== 91) mixBytes(from, at);
    at = skipBlank(at);
    if (load<u8>(at) === 44) at = skipBlank(at + 1);
  }
  return at + 1;
}

/** After a member's value at `at`; mixes what it says of the series. -1 if it cannot be read here. */
function value(at: i32, keyLength: i32, key: u64): i32 {
  const c: i32 = load<u8>(at);
  if (c === 45 || isDigit(c)) return number(at);
  mix(c);
  if (c === 123 && keyLength === 4 && key === TAGS) return tags(at + 1);
  const end = skipValue(at, 0);
  if (keyLength <= LONGEST_KEY && c === 34) mixBytes(at, end);
  return end;
}

/** Reads the members of `data`, whose opening brace is before `at`; how many numbers there are, -1 if it cannot. */
export function readMembers(at: i32, seed: u64): i32 {
  hash = seed;
  count = 0;
  at = skipBlank(at);
  while (load<u8>(at) === 34) {
    const key = at + 1;
    // A quote ends it, so that no key is the beginning of another.
    at = skipPlainString(key);
    mixBytes(key, at);
    const length = at - 1 - key;
    at = value(skipColon(at), length, length === 4 ? word(key, 4) : 0);
    if (at < 0) return -1;
    at = skipBlank(at);
    if (load<u8>(at) === 44) at = skipBlank(at + 1);
  }
  return count;
}

/** Mixes the bytes from `at` to `end` into a hash. */
export function hashOfBytes(seed: u64, at: i32, end: i32): u64 {
  hash = seed;
  mixBytes(at, end);
  return hash;
}

/** The hash of the members that were read last. */
export function hashOfMembers(): u64 {
  return hash ^ (hash >> 32);
}
