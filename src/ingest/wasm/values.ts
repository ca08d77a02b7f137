// AssemblyScript: values whose canonical form is told by their bytes.
import { isDigit } from './json';

/** The minute whose milliseconds are known: `YYYY-MM-DDTHH:MM`. */
export const MINUTE: i32 = 0x1c0;
/** When it starts, as f64. */
export const MINUTE_MS: i32 = 0x1d0;
/** Bytes of a span id. */
export const SPAN_ID_LENGTH: i32 = 16;

function digit(at: i32): i32 {
  return <i32>load<u8>(at) - 48;
}

/** Milliseconds of the canonical timestamp at `at` if it is of the known minute; else NaN. */
export function timeOf(at: i32): f64 {
  const isKnown =
    !v128.any_true(v128.xor(v128.load(MINUTE), v128.load(at))) &&
    load<u8>(at + 16) === 58 &&
    load<u8>(at + 19) === 46 &&
    load<u8>(at + 23) === 90;
  if (!isKnown) return NaN;
  for (let place = at + 17; place < at + 23; place++) {
    if (place !== at + 19 && !isDigit(load<u8>(place))) return NaN;
  }
  if (digit(at + 17) > 5) return NaN;
  const seconds = digit(at + 17) * 10 + digit(at + 18);
  const ms = digit(at + 20) * 100 + digit(at + 21) * 10 + digit(at + 22);
  return load<f64>(MINUTE_MS) + <f64>(seconds * 1000 + ms);
}

/** 16 lower-case hex digits, not all zero. */
export function isSpanId(at: i32): bool {
  let notZero = 0;
  for (let place = at; place < at + SPAN_ID_LENGTH; place++) {
    const c: i32 = load<u8>(place);
    if (!(isDigit(c) || (c >= 97 && c <= 102))) return false;
    notZero |= c ^ 48;
  }
  return notZero !== 0;
}

/** The letters that words for an end begin with: a, c, d, e, f, o, s. */
const ENDS: i32 = 0x4403d;

/** Whether a job's status or percent may say that it is over: a word with such a letter, or an escape; from 100 on. */
export function mayEnd(at: i32): bool {
  if (load<u8>(at) !== 34) return load<u8>(at) === 49 && load<u16>(at + 1) === 0x3030;
  const c: i32 = load<u8>(at + 1);
  const letter = (c | 32) - 97;
  return c === 92 || (letter >= 0 && letter < 26 && (ENDS & (1 << letter)) !== 0);
}
