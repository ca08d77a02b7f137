import { didYouMean } from '../../config/suggest.ts';
import type { Message } from '../../message.ts';
import { confiner } from './confine.ts';
import { datePart, FIELDS, type Field, isDateField, VALUES, WIDTHS } from './field.ts';
import { remember } from './remember.ts';

/** A name with fields, e.g. `{source}/{date}.jsonl`. */
export interface Template {
  /** False promises that all messages of one source render alike. */
  readonly perMessage: boolean;
  /** The name of a message's place; its values confined, each to its own part between the slashes. */
  render(message: Message): string;
}

type Token = { readonly literal: string } | { readonly field: Field };
type Piece = (message: Message) => string;

/** Room for one part between slashes, so that what a sink appends (`.gz`, a time) stays under 255 bytes. */
const MAX_NAME_BYTES = 200;
const MIN_VALUE_BYTES = 48;

/**
 * Compiles a template with the fields named. Messages that differ in a value field never share a name. Throws
 * `Error` on an unknown field, a stray brace, and fields that are not told apart by a separator.
 */
export function compileTemplate(text: string, knownFields: readonly Field[] = FIELDS): Template {
  const tokens = tokenize(text, knownFields);
  const used = tokens.flatMap((token) => ('field' in token ? [token.field] : []));
  const pieces = parts(tokens).flatMap((part) => compilePart(part, text));
  return {
    perMessage: used.some((field) => field !== 'source'),
    render: remember(keysOf(used), (message) => pieces.map((piece) => piece(message)).join('')),
  };
}

/** What a name depends on: values as they came, and the minute. */
function keysOf(fields: readonly Field[]): ((message: Message) => string | number)[] {
  const keys: ((message: Message) => string | number)[] = [];
  if (fields.some(isDateField)) keys.push((message) => Math.floor(message.timeMs / 60_000));
  for (const field of new Set(fields)) if (!isDateField(field)) keys.push(VALUES[field]);
  return keys;
}

function tokenize(text: string, knownFields: readonly Field[]): Token[] {
  const tokens = text.split(/(\{[^{}]*\})/).flatMap((part): Token[] => {
    if (part === '') return [];
    if (!/^\{.*\}$/s.test(part)) return [{ literal: part }];
    return [{ field: known(part.slice(1, -1), knownFields, text) }];
  });
  for (const token of tokens) {
    if ('literal' in token && /[{}]/.test(token.literal)) {
      throw new Error(`stray brace in ${JSON.stringify(text)}; a field is written {source}`);
    }
  }
  return tokens;
}

function known(name: string, knownFields: readonly Field[], text: string): Field {
  const field = knownFields.find((candidate) => candidate === name);
  if (field !== undefined) return field;
  const hint = didYouMean(name, knownFields) || `; there are ${knownFields.map((f) => `{${f}}`).join(' ')}`;
  throw new Error(`unknown field {${name}} in ${JSON.stringify(text)}${hint}`);
}

/** Cuts tokens at slashes; a slash starts the part that follows it. */
function parts(tokens: readonly Token[]): Token[][] {
  const found: Token[][] = [[]];
  for (const token of tokens) {
    if (!('literal' in token)) found.at(-1)?.push(token);
    else {
      for (const literal of token.literal.split(/(?=\/)/)) {
        if (literal.startsWith('/')) found.push([]);
        found.at(-1)?.push({ literal });
      }
    }
  }
  return found;
}

function compilePart(tokens: readonly Token[], text: string): Piece[] {
  const maxBytes = valueBytes(tokens);
  let values = 0;
  return tokens.map((token, index): Piece => {
    if ('literal' in token) return () => token.literal;
    const { field } = token;
    if (isDateField(field)) return (message) => datePart(field, message.timeMs);
    // Read from its end, a name then falls apart in only one way: no later value contains what stands before it.
    const without = values++ === 0 ? '' : separator(tokens[index - 1], field, text);
    const confined = confiner({ maxBytes, without });
    return (message) => confined(VALUES[field](message));
  });
}

/** What each value of a part may take of its 200 bytes. */
function valueBytes(tokens: readonly Token[]): number {
  let fixed = 0;
  let values = 0;
  for (const token of tokens) {
    if ('literal' in token) fixed += Buffer.byteLength(token.literal);
    else if (isDateField(token.field)) fixed += WIDTHS[token.field];
    else values++;
  }
  return Math.max(MIN_VALUE_BYTES, Math.floor((MAX_NAME_BYTES - fixed) / Math.max(values, 1)));
}

function separator(before: Token | undefined, field: Field, text: string): string {
  const character = before !== undefined && 'literal' in before ? before.literal.slice(-1) : '';
  if (character === '' || /[A-Za-z0-9%~]/.test(character)) {
    throw new Error(`write a separator such as - or / before {${field}} in ${JSON.stringify(text)}`);
  }
  // The others are escaped in every value.
  return '._-'.includes(character) ? character : '';
}
