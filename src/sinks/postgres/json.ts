import { afterString } from '../../members.ts';

/** What stands for a character that PostgreSQL cannot store: U+0000, or half of a surrogate pair. */
const REPLACEMENT = '\ufffd';
const ESCAPED_REPLACEMENT = '\\ufffd';
/** Longer numbers are kept as text: `jsonb` ends at 131,072 digits, and readers pay for each of them. */
const MAX_NUMBER_LENGTH = 1000;
/** A number with an exponent of four digits or more, which few characters make as long as that. */
const HUGE_EXPONENT = /[eE][+-]?\d{4}/;

/**
 * Valid JSON text as `jsonb` takes it. `\u0000` and lone surrogates become U+FFFD; a number of more than 1,000
 * characters, or with an exponent of four digits or more, becomes a string of its own text. All else stays, so that
 * numbers beyond a double keep every digit.
 */
export function jsonbText(text: string): string {
  const escaped = text.includes('\\u') ? replaceEscapes(text) : text;
  return mayHoldHugeNumber(escaped) ? quoteHugeNumbers(escaped) : escaped;
}

/** Text as a `text` column takes it: U+0000 becomes U+FFFD. */
export const columnText = (text: string): string =>
  text.includes('\0') ? text.replaceAll('\0', REPLACEMENT) : text;

/** An escaped backslash, so that what follows it is no escape; a surrogate pair; any other escape of four digits. */
const ESCAPE = /\\\\|\\u[dD][89aAbB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}/g;
const UNSTORABLE = /^\\u(0000|[dD][89a-fA-F][0-9a-fA-F]{2})$/;

const replaceEscapes = (text: string) =>
  text.replace(ESCAPE, (found) => (UNSTORABLE.test(found) ? ESCAPED_REPLACEMENT : found));

function mayHoldHugeNumber(text: string): boolean {
  if (HUGE_EXPONENT.test(text)) return true;
  // A loop: an expression for so many digits takes quadratic time where they are almost so many.
  let digits = 0;
  for (let at = 0; text.length > MAX_NUMBER_LENGTH && at < text.length; at++) {
    if (!isOfNumber(text.charCodeAt(at))) digits = 0;
    else if (++digits > MAX_NUMBER_LENGTH) return true;
  }
  return false;
}

/** Digits, `+`, `-`, `.`, `E` and `e`. */
const isOfNumber = (char: number) =>
  (char >= 48 && char <= 57) || char === 43 || char === 45 || char === 46 || char === 69 || char === 101;

/** Digits and `-`: in JSON, outside strings, nothing but a number begins so. */
const beginsNumber = (char: number) => (char >= 48 && char <= 57) || char === 45;

function quoteHugeNumbers(text: string): string {
  let quoted = '';
  let from = 0;
  for (let at = 0; at < text.length; ) {
    const char = text.charCodeAt(at);
    if (char === 34) {
      at = afterString(text, at);
    } else if (beginsNumber(char)) {
      const start = at;
      while (isOfNumber(text.charCodeAt(at))) at++;
      const number = text.slice(start, at);
      if (number.length > MAX_NUMBER_LENGTH || HUGE_EXPONENT.test(number)) {
        quoted += `${text.slice(from, start)}"${number}"`;
        from = at;
      }
    } else {
      at++;
    }
  }
  return quoted + text.slice(from);
}
