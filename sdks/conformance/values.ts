/** The adapters' line format: tokens between spaces, so that no language needs a parser beyond `split`. */

/** What some languages can hold and JSON cannot; an adapter makes its language's own of each. */
export type Special = 'cyclic' | 'throwing' | 'odd' | 'broken' | 'logging' | 'empty';

/** A value that an adapter builds before it calls its SDK. */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Uint8Array
  | Raw
  | SpecialValue
  | readonly Value[]
  | { readonly [key: string]: Value };

/** Text given by its bytes, well-formed UTF-8 or not. */
export class Raw {
  readonly bytes: Uint8Array;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
}

class SpecialValue {
  readonly token: string;
  constructor(token: string) {
    this.token = token;
  }
}

/** A map that holds itself · an object whose text cannot be had · something no SDK expects · text with a half of a character · an object that logs while it is read · an object whose text is empty. */
export const SPECIAL: Readonly<Record<Special, SpecialValue>> = {
  cyclic: new SpecialValue('c'),
  throwing: new SpecialValue('!'),
  odd: new SpecialValue('?'),
  broken: new SpecialValue('u'),
  logging: new SpecialValue('@'),
  empty: new SpecialValue('e'),
};

/** A list of a hundred times the same list, and so on, four levels deep: 100,000,000 numbers, if written. */
export const SHARED = new SpecialValue('*');

/** Bytes with all but letters, digits and a few signs as %XX. */
export function percent(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    const char = String.fromCharCode(byte);
    text += /[A-Za-z0-9_.:/-]/.test(char) ? char : `%${byte.toString(16).padStart(2, '0').toUpperCase()}`;
  }
  return text;
}

/** The tokens of a value, between spaces. */
export function tokensOf(value: Value): string {
  if (value === null) return 'n';
  if (typeof value === 'boolean') return value ? 't' : 'f';
  if (typeof value === 'bigint') return `i${value}`;
  if (typeof value === 'number') return Number.isSafeInteger(value) ? `i${value}` : `d${numeral(value)}`;
  if (typeof value === 'string') return `s${percent(Buffer.from(value))}`;
  if (value instanceof Date) return `T${Math.floor(value.getTime() / 1000)}`;
  if (value instanceof Uint8Array) return `x${Buffer.from(value).toString('hex')}`;
  if (value instanceof Raw) return `s${percent(value.bytes)}`;
  if (value instanceof SpecialValue) return value.token;
  if (Array.isArray(value)) return ['[', ...value.map(tokensOf), ']'].join(' ');
  const members = Object.entries(value).map(([key, item]) => `${tokensOf(key)} ${tokensOf(item)}`);
  return ['{', ...members, '}'].join(' ');
}

const numeral = (value: number) =>
  Number.isNaN(value) ? 'nan' : Number.isFinite(value) ? `${value}` : value > 0 ? 'inf' : '-inf';

/** What an adapter answers: names and texts. */
export type Answer = Readonly<Record<string, string>>;

/** Reads `ok name=value …`; throws what `error …` says. */
export function readAnswer(line: string): Answer {
  const [verdict, ...parts] = line.split(' ');
  if (verdict !== 'ok') throw new Error(`the adapter says: ${decodeURIComponent(line)}`);
  return Object.fromEntries(
    parts.map((part) => {
      const at = part.indexOf('=');
      return [part.slice(0, at), decodeURIComponent(part.slice(at + 1))];
    }),
  );
}
