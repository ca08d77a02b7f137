/** Control, bidirectional and invisible characters, which could make a text look like another one. */
const HIDDEN = /[\p{Cc}\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/gu;

/** A sender's text with what cannot be seen written as `\u{…}`; line feeds and tabs too unless `multiline`. */
export const visible = (text: string, multiline = false): string =>
  text.replace(HIDDEN, (found) =>
    multiline && (found === '\n' || found === '\t') ? found : `\\u{${found.codePointAt(0)?.toString(16)}}`,
  );
