/**
 * Control, format (bidi overrides, zero-width), private-use and line-separating characters and lone surrogates:
 * what a terminal may act on or hide.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;
const SHORT: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' };

/** `text` on one line, its unseen characters as `\n`, `\x1b`, `\u202e`, `\u{e0001}`; safe to print. */
export const visible = (text: string): string =>
  text.replace(UNSEEN, (character) => SHORT[character] ?? escapeOf(character));

function escapeOf(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\u{${hex}}`;
}

/** JSON text, safe to print and still the same JSON: unseen characters within strings as `\uXXXX`. */
export const visibleJson = (json: string): string =>
  // A control character below 0x20 can only be white space between tokens.
  json.replace(UNSEEN, (character) => (character < ' ' ? ' ' : jsonEscapeOf(character)));

function jsonEscapeOf(character: string): string {
  let text = '';
  for (let i = 0; i < character.length; i++) {
    text += `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`;
  }
  return text;
}

/** `text`, cut to `maxLength` characters with `…` at the end. */
export const clipped = (text: string, maxLength: number): string =>
  text.length <= maxLength ? text : `${text.slice(0, maxLength - 1)}…`;
