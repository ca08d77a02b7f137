// AssemblyScript: positions in JSON text (RFC 8259), on bytes of UTF-8. Each function takes the position where something
// starts and returns the one after it, or `UNSURE`.

/** The text is invalid or unusual, and `JSON.parse` has to decide. */
export const UNSURE: i32 = -1;
const MAX_DEPTH: i32 = 32;

/** After white space (LF is not: it ends the line). */
export function skipBlank(at: i32): i32 {
  let c: i32 = load<u8>(at);
  while (c === 32 || c === 9 || c === 13) c = load<u8>(++at);
  return at;
}

/** The next byte that is a quote, a backslash or a control character. */
function skipPlain(at: i32): i32 {
  let special: i32 = 0;
  do {
    const bytes = v128.load(at);
    const marks = v128.or(i8x16.eq(bytes, i8x16.splat(34)), i8x16.eq(bytes, i8x16.splat(92)));
    special = i8x16.bitmask(v128.or(marks, i8x16.lt_u(bytes, i8x16.splat(32))));
    at += 16;
  } while (special === 0);
  return at - 16 + ctz(special);
}

/** After the closing quote of a string without escapes, whose opening quote is before `at`: its bytes are its text. */
export function skipPlainString(at: i32): i32 {
  const end = skipPlain(at);
  return load<u8>(end) === 34 ? end + 1 : UNSURE;
}

function isHex(c: i32): bool {
  return (c >= 48 && c <= 57) || ((c | 32) >= 97 && (c | 32) <= 102);
}

/** After the escape whose backslash is at `at`. */
function skipEscape(at: i32): i32 {
  const c: i32 = load<u8>(at + 1);
  if (c !== 117) {
    const isEscape =
      c === 34 || c === 92 || c === 47 || c === 98 || c === 102 || c === 110 || c === 114 || c === 116;
    return isEscape ? at + 2 : UNSURE;
  }
  for (let digit = at + 2; digit < at + 6; digit++) if (!isHex(load<u8>(digit))) return UNSURE;
  return at + 6;
}

function skipString(at: i32): i32 {
  while (at !== UNSURE) {
    at = skipPlain(at);
    const c: i32 = load<u8>(at);
    if (c === 34) return at + 1;
    at = c === 92 ? skipEscape(at) : UNSURE;
  }
  return UNSURE;
}

/** Whether a byte is 0 to 9. */
export function isDigit(c: i32): bool {
  return c >= 48 && c <= 57;
}

function skipDigits(at: i32): i32 {
  if (!isDigit(load<u8>(at))) return UNSURE;
  do at++;
  while (isDigit(load<u8>(at)));
  return at;
}

function skipNumber(at: i32): i32 {
  if (load<u8>(at) === 45) at++;
  at = load<u8>(at) === 48 ? at + 1 : skipDigits(at);
  if (at !== UNSURE && load<u8>(at) === 46) at = skipDigits(at + 1);
  if (at !== UNSURE && (load<u8>(at) | 32) === 101) {
    const c: i32 = load<u8>(at + 1);
    at = skipDigits(c === 43 || c === 45 ? at + 2 : at + 1);
  }
  return at;
}

function skipLiteral(at: i32): i32 {
  const word = load<u32>(at);
  if (word === 0x65757274 || word === 0x6c6c756e) return at + 4; // true, null
  return word === 0x736c6166 && load<u8>(at + 4) === 101 ? at + 5 : UNSURE; // false
}

/** After the value that starts at `at` (no blank before it). */
export function skipValue(at: i32, depth: i32): i32 {
  const c: i32 = load<u8>(at);
  if (c === 34) return skipString(at + 1);
  if (c === 45 || isDigit(c)) return skipNumber(at);
  if (c === 123) return depth < MAX_DEPTH ? skipObject(at + 1, depth + 1) : UNSURE;
  if (c === 91) return depth < MAX_DEPTH ? skipArray(at + 1, depth + 1) : UNSURE;
  return skipLiteral(at);
}

/** After the colon (and blanks) that follow a key. */
export function skipColon(at: i32): i32 {
  at = skipBlank(at);
  return load<u8>(at) === 58 ? skipBlank(at + 1) : UNSURE;
}

function skipObject(at: i32, depth: i32): i32 {
  at = skipBlank(at);
  if (load<u8>(at) === 125) return at + 1;
  while (load<u8>(at) === 34) {
    at = skipString(at + 1);
    if (at !== UNSURE) at = skipColon(at);
    if (at !== UNSURE) at = skipValue(at, depth);
    if (at === UNSURE) return UNSURE;
    at = skipBlank(at);
    const c: i32 = load<u8>(at);
    if (c === 125) return at + 1;
    if (c !== 44) return UNSURE;
    at = skipBlank(at + 1);
  }
  return UNSURE;
}

function skipArray(at: i32, depth: i32): i32 {
  at = skipBlank(at);
  if (load<u8>(at) === 93) return at + 1;
  while (true) {
    at = skipValue(at, depth);
    if (at === UNSURE) return UNSURE;
    at = skipBlank(at);
    const c: i32 = load<u8>(at);
    if (c === 93) return at + 1;
    if (c !== 44) return UNSURE;
    at = skipBlank(at + 1);
  }
  return UNSURE;
}

/** The first `length` bytes, one to eight, as a number. */
export function word(at: i32, length: i32): u64 {
  return load<u64>(at) & (u64.MAX_VALUE >> ((8 - length) << 3));
}
