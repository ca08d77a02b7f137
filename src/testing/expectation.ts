import type { Ending } from '../deliver/outcome.ts';
import { parseMarbles, timeHint } from './marbles.ts';
import { MADE, parseNames } from './names.ts';
import {
  type CheckedTest,
  type DiagramOf,
  type ExpectedBatch,
  type ExpectedOutcome,
  type Names,
  partsOf,
} from './schema.ts';

/** What a test compares, as its keys name it. */
export type Kind = 'out' | 'delivered' | 'filtered' | 'dead_letters' | 'shed';

/** The ending that a kind shows; `out` shows sends. */
export const ENDINGS: Readonly<Record<Exclude<Kind, 'out'>, Ending>> = {
  delivered: 'delivered',
  filtered: 'filtered',
  dead_letters: 'dead_lettered',
  shed: 'shed',
};
/** What a test may expect of a backend. */
export const KINDS: readonly Kind[] = ['out', 'delivered', 'filtered', 'dead_letters', 'shed'];

/** Something at a time: a batch with its target, or messages with the reason of their end. */
export interface Entry {
  readonly ms: number;
  readonly names: readonly string[];
  /** Target or reason; where it is expected, `undefined` is any. */
  readonly detail: string | undefined;
}

/** What is expected of one backend. */
export interface Row {
  readonly kind: Kind;
  readonly backend: string;
  readonly entries: readonly Entry[];
}

/** Notes what `read` throws as wrong at a path; `undefined` then. */
export type Attempt = <T>(path: readonly (string | number)[], read: () => T) => T | undefined;

/** Reads a test's expectations. */
export function readRows(test: CheckedTest, attempt: Attempt): readonly Row[] {
  return KINDS.flatMap((kind) =>
    Object.entries<DiagramOf<ExpectedBatch | ExpectedOutcome>>(test[kind]).map(([backend, written]) => ({
      kind,
      backend,
      entries: readEntries([kind, backend], written, test.messages, attempt),
    })),
  );
}

function readEntries(
  path: readonly string[],
  written: DiagramOf<ExpectedBatch | ExpectedOutcome>,
  messages: CheckedTest['messages'],
  attempt: Attempt,
): readonly Entry[] {
  const [text, values] = partsOf(written);
  const place = typeof written === 'string' ? path : [...path, 0];
  const known = (name: string) => name === MADE || Object.hasOwn(messages, name);
  const read = new Map(
    Object.entries(values).map(([letter, value]) => [
      letter,
      attempt([...path, 1, letter], () => entryOf(value, known)),
    ]),
  );
  return (
    attempt(place, () => {
      const { marbles, endMs, errorMs } = parseMarbles(text);
      if (endMs !== undefined || errorMs !== undefined) throw new Error('| and # have no meaning here');
      return marbles.map(({ ms, letter }): Entry => {
        if (read.has(letter)) return { names: [], detail: undefined, ...read.get(letter), ms };
        if (known(letter)) return { ms, names: [letter], detail: undefined };
        throw new Error(`${letter} is neither given a value here nor a message${timeHint(letter)}`);
      });
    }) ?? []
  );
}

function entryOf(
  value: ExpectedBatch | ExpectedOutcome,
  known: (name: string) => boolean,
): Omit<Entry, 'ms'> {
  const { messages, ...rest }: { messages: Names; target?: string | undefined; reason?: string | undefined } =
    typeof value === 'string' || Array.isArray(value) ? { messages: value } : value;
  const names = parseNames(messages);
  const stranger = names.find((name) => !known(name));
  if (stranger !== undefined) throw new Error(`there is no message ${stranger}`);
  if (names.length === 0) throw new Error('no messages; leave the letter out where nothing is expected');
  return { names, detail: rest.target ?? rest.reason };
}
