import type { Finding } from '../config/issue.ts';
import { didYouMean } from '../config/suggest.ts';
import type { JsonObject } from '../message.ts';
import { type Backend, backendOf } from './behaviour.ts';
import { type Attempt, KINDS, type Row, readRows } from './expectation.ts';
import type { LoadedConfig } from './load-config.ts';
import { type Diagram, parseMarbles, timeHint } from './marbles.ts';
import type { Scene } from './play.ts';
import { randomOf } from './recording.ts';
import { type CheckedTest, partsOf } from './schema.ts';

/** A test that can be played, but for its configurations. */
export interface Compiled {
  readonly rows: readonly Row[];
  /** What is wrong with the test, with paths into it. */
  readonly findings: readonly Finding[];
  /** `reloads` are the configurations of the diagram's letters. */
  scene(config: LoadedConfig, reloads: ReadonlyMap<string, LoadedConfig | Error>): Scene;
}

/** Without `|` a test is over so long after the last marble of all its diagrams. */
const WATCHED_MS = 60_000;

/** Pauses are as long as the configuration allows, so that diagrams can be written without trying. */
const LONGEST = 1 - 2 ** -32;

/** Reads all diagrams of a checked test, and finds all that is wrong with them at once. */
export function compileTest(test: CheckedTest): Compiled {
  const findings: Finding[] = [];
  const attempt: Attempt = (path, read) => {
    try {
      return read();
    } catch (error) {
      findings.push({ path, message: error instanceof Error ? error.message : String(error) });
      return undefined;
    }
  };
  const input = attempt(['in'], () => readInput(test));
  for (const [letter, record] of Object.entries(test.messages)) {
    attempt(['messages', letter], () => JSON.stringify(record));
  }
  for (const letter of Object.keys(test.repeat)) attempt(['repeat', letter], () => knowMessage(test, letter));
  const reload = readReload(test, input?.endMs, attempt);
  const backends = readBackends(test, attempt);
  const rows = readRows(test, attempt);
  const timed = [input?.marbles ?? [], reload?.marbles ?? [], ...rows.map(({ entries }) => entries)];
  const lastMs = timed.flat().reduce((last, { ms }) => Math.max(last, ms), 0);

  return {
    rows,
    findings,
    scene: (config, reloads) => ({
      config,
      messages: (input?.marbles ?? []).flatMap(({ ms, letter }) => {
        const record = recordOf(letter, test.messages[letter] ?? {});
        return Array.from({ length: test.repeat[letter] ?? 1 }, () => ({ ms, name: letter, record }));
      }),
      reloads: (reload?.marbles ?? []).flatMap(({ ms, letter }) => {
        const next = reloads.get(letter);
        return next === undefined ? [] : [{ ms, name: letter, config: next }];
      }),
      backends,
      endMs: input?.endMs,
      untilMs: lastMs + WATCHED_MS,
      random: randomOf(test.random ?? LONGEST, test.seed),
    }),
  };
}

function readInput(test: CheckedTest): Diagram {
  const diagram = parseMarbles(test.in);
  if (diagram.errorMs !== undefined) throw new Error('# has no meaning here; | shuts the sidecar down');
  for (const { letter } of diagram.marbles) knowMessage(test, letter, timeHint(letter));
  return diagram;
}

function knowMessage({ messages }: CheckedTest, letter: string, hint = ''): void {
  if (!Object.hasOwn(messages, letter)) throw new Error(`there is no message ${letter}${hint}`);
}

/** A record with what its author left to us. */
function recordOf(name: string, given: Readonly<Record<string, unknown>>): JsonObject {
  const record = { source: 'test', type: 'event', ...given };
  const data = record.type === 'event' ? { level: 'info', message: name } : {};
  return { data, ...record } as JsonObject;
}

function readReload(test: CheckedTest, endMs: number | undefined, attempt: Attempt): Diagram | undefined {
  const { reload } = test;
  const [text, values] = partsOf<unknown>(reload ?? '');
  const place = typeof reload === 'string' ? ['reload'] : ['reload', 0];
  for (const letter of Object.keys(test.reload_results)) {
    attempt(['reload_results', letter], () => {
      if (!Object.hasOwn(values, letter)) throw new Error(`there is no reload ${letter}`);
    });
  }
  if (reload === undefined) return undefined;
  return attempt(place, () => {
    const diagram = parseMarbles(text);
    if (diagram.endMs !== undefined || diagram.errorMs !== undefined) {
      throw new Error('| and # have no meaning here');
    }
    for (const { ms, letter } of diagram.marbles) {
      if (!Object.hasOwn(values, letter)) {
        throw new Error(
          `${letter} is given no configuration${timeHint(letter)}; write [diagram, { ${letter}: … }]`,
        );
      }
      if (endMs !== undefined && ms >= endMs)
        throw new Error('a reload at or after the end (| of `in`) is not looked at');
    }
    return diagram;
  });
}

function readBackends(test: CheckedTest, attempt: Attempt): ReadonlyMap<string, Backend> {
  const backends = new Map<string, Backend>();
  for (const [name, said] of Object.entries(test.backends)) {
    const backend = attempt(['backends', name], () => backendOf(said));
    if (backend === undefined) continue;
    backends.set(name, backend);
    const stranger = [...backend.refuses].find((letter) => !Object.hasOwn(test.messages, letter));
    if (stranger !== undefined) {
      attempt(['backends', name, 'refuses'], () => knowMessage(test, stranger));
    }
  }
  return backends;
}

/** Names of backends in a test that none of its configurations has. */
export function findStrangers(test: CheckedTest, known: ReadonlySet<string>): readonly Finding[] {
  const message = (name: string) =>
    `there is no backend ${JSON.stringify(name)}${didYouMean(name, known) || `; there are ${[...known].join(', ')}`}`;
  const sections = ['backends', ...KINDS] as const;
  return [
    ...sections.flatMap((section) =>
      Object.keys(test[section]).map((name) => ({ name, path: [section, name], atKey: true })),
    ),
    ...test.ignore.map((name, index) => ({ name, path: ['ignore', index], atKey: false })),
  ]
    .filter(({ name }) => !known.has(name))
    .map(({ name, path, atKey }) => ({ path, message: message(name), atKey }));
}
