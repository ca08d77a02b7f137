import { sep } from 'node:path';
import { ENDINGS, type Entry, KINDS, type Kind, type Row } from './expectation.ts';
import { formatTime } from './marbles.ts';
import type { Recording } from './recording.ts';
import type { CheckedTest, ExpectedResult } from './schema.ts';

/** Where what was received is not what was expected. */
export interface Difference {
  readonly kind: Kind;
  readonly backend: string;
  readonly expected: readonly Entry[];
  readonly received: readonly Entry[];
}

/** What is wrong with a test's outcome; empty lists: nothing. */
export interface Comparison {
  /** Sentences: reloads that went otherwise, messages that were not taken. */
  readonly remarks: readonly string[];
  readonly differences: readonly Difference[];
}

/** Kinds that must be expected where they happen; the others are compared where the test asks for them. */
const STRICT: ReadonlySet<Kind> = new Set(['out', 'dead_letters', 'shed']);

/** Compares what happened with what was expected. */
export function compare(test: CheckedTest, rows: readonly Row[], recording: Recording): Comparison {
  return {
    remarks: [...reloadRemarks(test, recording), ...refusals(recording), ...unfinished(test, recording)],
    differences: differences(test, rows, recording),
  };
}

function differences(test: CheckedTest, rows: readonly Row[], recording: Recording): Difference[] {
  // A backend of a configuration that was rejected gets nothing, whatever is expected of it.
  const backends = new Set([...recording.backends, ...rows.map(({ backend }) => backend)]);
  const found: Difference[] = [];
  for (const kind of KINDS) {
    for (const backend of backends) {
      const row = rows.find((one) => one.kind === kind && one.backend === backend);
      if (row === undefined && (!STRICT.has(kind) || test.ignore.includes(backend))) continue;
      const expected = row?.entries ?? [];
      const received = entriesOf(kind, backend, recording);
      if (!isSame(kind, expected, received)) found.push({ kind, backend, expected, received });
    }
  }
  return found;
}

function entriesOf(kind: Kind, backend: string, { sent, ended }: Recording): readonly Entry[] {
  if (kind === 'out') {
    return sent
      .filter((one) => one.backend === backend)
      .map(({ ms, messages, target }) => ({ ms, names: messages, detail: target }));
  }
  return ended
    .filter((one) => one.backend === backend && one.ending === ENDINGS[kind])
    .map(({ ms, messages, reason }) => ({ ms, names: messages, detail: reason }));
}

/** Whether entries are as expected, in order; the order of messages counts in what is sent, and there alone. */
export const isSame = (kind: Kind, expected: readonly Entry[], received: readonly Entry[]): boolean =>
  expected.length === received.length &&
  expected.every((entry, at) => matches(kind, entry, received[at] ?? NOTHING));

const NOTHING: Entry = { ms: Number.NaN, names: [], detail: undefined };

function matches(kind: Kind, expected: Entry, received: Entry): boolean {
  const [wanted, found] = [expected, received].map(({ names }) =>
    kind === 'out' ? names : names.toSorted(),
  );
  return (
    expected.ms === received.ms &&
    wanted?.join('') === found?.join('') &&
    isDetail(expected.detail, received.detail ?? '')
  );
}

/** A path may be expected by its end: where a folder is differs from machine to machine. */
const isDetail = (expected: string | undefined, received: string): boolean =>
  expected === undefined || expected === received || received.endsWith(`${sep}${expected}`);

function reloadRemarks({ reload_results }: CheckedTest, { reloads }: Recording): readonly string[] {
  return reloads.flatMap(({ ms, name, result, errors }) => {
    const expected = reload_results[name] ?? 'applied';
    if (isResult(expected, result, errors)) return [];
    const wanted =
      typeof expected === 'string' ? expected : `rejected with ${JSON.stringify(expected.rejected)}`;
    return [
      `reload ${name} at ${formatTime(ms)}: expected ${wanted}, was ${[result, ...errors].join('\n  ')}`,
    ];
  });
}

const isResult = (expected: ExpectedResult, result: string, errors: readonly string[]): boolean =>
  typeof expected === 'string'
    ? expected === result
    : result === 'rejected' && errors.some((error) => error.includes(expected.rejected));

const refusals = ({ refused }: Recording): readonly string[] =>
  refused.map(({ ms, message, reason }) => {
    const why = reason === 'schema' ? 'its source or type is not usable, or its data is no map' : reason;
    return `message ${message} at ${formatTime(ms)}: the sidecar does not take it: ${why}`;
  });

const unfinished = ({ in: text }: CheckedTest, { doneMs }: Recording): readonly string[] =>
  text.includes('|') && doneMs === undefined ? ['the sidecar did not come to its end after |'] : [];
