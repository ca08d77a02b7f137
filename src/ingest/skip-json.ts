/**
 * Positions in JSON text, on bytes. Each function takes the position where something starts and returns the one
 * after it, or `UNSURE`: the text is invalid or unusual, and `JSON.parse` has to decide. What they accept is valid
 * JSON (RFC 8259) as long as the bytes are valid UTF-8; a property test holds them against `JSON.parse`.
 */
export const UNSURE = -1;

const MAX_DEPTH = 32;
const QUOTE = 34;
const COMMA = 44;
const COLON = 58;
const BACKSLASH = 92;

/** 1: may stand in a string as it is. */
const PLAIN = new Uint8Array(256).fill(1, 0x20);
PLAIN[QUOTE] = 0;
PLAIN[BACKSLASH] = 0;

const HEX = new Uint8Array(256);
for (const char of '0123456789abcdefABCDEF') HEX[char.charCodeAt(0)] = 1;

const ESCAPED = new Uint8Array(256);
for (const char of '"\\/bfnrt') ESCAPED[char.charCodeAt(0)] = 1;

/** After white space (LF is not: it ends the line). */
export function skipBlank(b: Uint8Array, at: number): number {
  let c = b[at];
  while (c === 32 || c === 9 || c === 13) c = b[++at];
  return at;
}

/** After the closing quote of the string whose opening quote is before `at`. */
export function skipString(b: Uint8Array, at: number): number {
  for (;;) {
    while (PLAIN[b[at] as number] === 1) at++;
    const c = b[at];
    if (c === QUOTE) return at + 1;
    if (c !== BACKSLASH) return UNSURE;
    const escaped = b[at + 1] as number;
    if (ESCAPED[escaped] === 1) at += 2;
    else if (escaped === 117 && isHex4(b, at + 2)) at += 6;
    else return UNSURE;
  }
}

/** The same for a string without escapes: its bytes are its text. */
export function skipPlainString(b: Uint8Array, at: number): number {
  while (PLAIN[b[at] as number] === 1) at++;
  return b[at] === QUOTE ? at + 1 : UNSURE;
}

const isHex4 = (b: Uint8Array, at: number) =>
  HEX[b[at] as number] === 1 &&
  HEX[b[at + 1] as number] === 1 &&
  HEX[b[at + 2] as number] === 1 &&
  HEX[b[at + 3] as number] === 1;

const isDigit = (c: number | undefined) => c !== undefined && c >= 48 && c <= 57;

function skipDigits(b: Uint8Array, at: number): number {
  if (!isDigit(b[at])) return UNSURE;
  do at++;
  while (isDigit(b[at]));
  return at;
}

function skipNumber(b: Uint8Array, at: number): number {
  if (b[at] === 45) at++;
  at = b[at] === 48 ? at + 1 : skipDigits(b, at);
  if (at !== UNSURE && b[at] === 46) at = skipDigits(b, at + 1);
  if (at !== UNSURE && (b[at] === 101 || b[at] === 69)) {
    at++;
    if (b[at] === 43 || b[at] === 45) at++;
    at = skipDigits(b, at);
  }
  return at;
}

const LITERALS = new Map(['true', 'false', 'null'].map((word) => [word.charCodeAt(0), Buffer.from(word)]));

function skipLiteral(b: Uint8Array, at: number): number {
  const word = LITERALS.get(b[at] as number);
  if (word === undefined) return UNSURE;
  for (let i = 0; i < word.length; i++) if (b[at + i] !== word[i]) return UNSURE;
  return at + word.length;
}

/** After the value that starts at `at` (no blank before it). */
export function skipValue(b: Uint8Array, at: number, depth: number): number {
  const c = b[at] as number;
  if (c === QUOTE) return skipString(b, at + 1);
  if (c === 123) return depth < MAX_DEPTH ? skipObject(b, at + 1, depth + 1) : UNSURE;
  if (c === 91) return depth < MAX_DEPTH ? skipArray(b, at + 1, depth + 1) : UNSURE;
  if (c === 45 || (c >= 48 && c <= 57)) return skipNumber(b, at);
  return skipLiteral(b, at);
}

/** After the colon (and blanks) that follow a key; `at` is after the key's closing quote. */
export function skipColon(b: Uint8Array, at: number): number {
  at = skipBlank(b, at);
  return b[at] === COLON ? skipBlank(b, at + 1) : UNSURE;
}

/** After the comma (and blanks) at `at`, where the next member or element starts. */
export const skipComma = (b: Uint8Array, at: number) => (b[at] === COMMA ? skipBlank(b, at + 1) : UNSURE);

function skipObject(b: Uint8Array, at: number, depth: number): number {
  at = skipBlank(b, at);
  if (b[at] === 125) return at + 1;
  for (;;) {
    if (b[at] !== QUOTE) return UNSURE;
    at = skipString(b, at + 1);
    if (at === UNSURE) return UNSURE;
    at = skipColon(b, at);
    if (at === UNSURE) return UNSURE;
    at = skipValue(b, at, depth);
    if (at === UNSURE) return UNSURE;
    at = skipBlank(b, at);
    if (b[at] === 125) return at + 1;
    at = skipComma(b, at);
    if (at === UNSURE) return UNSURE;
  }
}

function skipArray(b: Uint8Array, at: number, depth: number): number {
  at = skipBlank(b, at);
  if (b[at] === 93) return at + 1;
  for (;;) {
    at = skipValue(b, at, depth);
    if (at === UNSURE) return UNSURE;
    at = skipBlank(b, at);
    if (b[at] === 93) return at + 1;
    at = skipComma(b, at);
    if (at === UNSURE) return UNSURE;
  }
}
