import { createHash } from 'node:crypto';

/** How a value is made harmless as a part of a file, key or stream name. */
export interface Confinement {
  /** Longer names are cut and get a hash suffix; at least 48. */
  readonly maxBytes: number;
  /** A character that the name must not contain, because it ends the name's neighbour; `''` for none. */
  readonly without: string;
}

/** ASCII letters, digits, `_`, `-` and single dots inside; all else is escaped. */
const UNSAFE = String.raw`[^A-Za-z0-9._-]|^[.-]|(?<=\.)\.|\.$`;
const HASH_LENGTH = 32;

/**
 * A function from any string to a name of 1 to `maxBytes` ASCII characters without separators, control
 * characters, `..` or a leading dot or dash. Different values give different names, also on file systems that
 * normalise Unicode: what is not plain is percent-encoded (RFC 3986), `''` becomes `_`, and `~` appears only
 * before the hash of a name that was cut. (A file system that ignores case merges `A` and `a`, as it always does.)
 */
export function confiner({ maxBytes, without }: Confinement): (value: string) => string {
  const unsafe = new RegExp(without === '' ? UNSAFE : `${UNSAFE}|[${without}]`, 'gu');
  return (value) => {
    if (value === '') return '_';
    if (value === '_') return '%5F';
    const name = value.replace(unsafe, percentEncode);
    return name.length <= maxBytes ? name : cut(name, value, maxBytes);
  };
}

/** The UTF-8 bytes of a code point as `%XX`; a lone surrogate as UTF-8 would encode it, were it allowed. */
function percentEncode(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const bytes =
    code >= 0xd800 && code <= 0xdfff
      ? [0xe0 | (code >> 12), 0x80 | ((code >> 6) & 0x3f), 0x80 | (code & 0x3f)]
      : Buffer.from(character);
  let text = '';
  for (const byte of bytes) text += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return text;
}

function cut(name: string, value: string, maxBytes: number): string {
  // UTF-16, because UTF-8 would give all lone surrogates the same hash.
  const hash = createHash('sha256').update(value, 'utf16le').digest('hex').slice(0, HASH_LENGTH);
  const start = name.slice(0, maxBytes - HASH_LENGTH - 1).replace(/%[0-9A-F]?$/, '');
  return `${start}~${hash}`;
}
