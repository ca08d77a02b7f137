import { createHash } from 'node:crypto';

/** PostgreSQL cuts longer names off. */
export const MAX_IDENTIFIER_BYTES = 63;

/** A table of the configuration, `name` or `schema.name`. */
export interface Table {
  /** Absent: the first schema of the search path. */
  readonly schema: string | undefined;
  readonly name: string;
  /** As SQL has it. */
  readonly sql: string;
}

/** Whether a text can name a table. */
export function isTable(text: string): boolean {
  const parts = text.split('.');
  return parts.length <= 2 && parts.every(isIdentifier);
}

/** Takes apart what `isTable`. */
export function parseTable(text: string): Table {
  const [first = '', second] = text.split('.');
  return second === undefined ? tableOf(undefined, first) : tableOf(first, second);
}

/** A table beside another one, named after it; a name that would be too long ends in a digest. */
export function siblingOf({ schema, name }: Table, suffix: string): Table {
  const whole = `${name}${suffix}`;
  if (Buffer.byteLength(whole) <= MAX_IDENTIFIER_BYTES) return tableOf(schema, whole);
  const digest = createHash('sha256').update(name).digest('hex').slice(0, 8);
  const room = MAX_IDENTIFIER_BYTES - Buffer.byteLength(suffix) - digest.length - 1;
  let kept = name;
  while (Buffer.byteLength(kept) > room) kept = Array.from(kept).slice(0, -1).join('');
  return tableOf(schema, `${kept}_${digest}${suffix}`);
}

/** A name in SQL. */
export const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

const tableOf = (schema: string | undefined, name: string): Table => ({
  schema,
  name,
  sql: schema === undefined ? quoted(name) : `${quoted(schema)}.${quoted(name)}`,
});

const isIdentifier = (name: string) =>
  name !== '' && !name.includes('\0') && Buffer.byteLength(name) <= MAX_IDENTIFIER_BYTES;
