import { isAbsolute, join } from 'node:path';
import type { Finding } from '../config/issue.ts';
import { compare } from './compare.ts';
import { type Compiled, compileTest, findStrangers } from './compile.ts';
import { describe, type Look } from './describe.ts';
import { configOf, isLoadedConfig, type LoadedConfig, loadConfig, withSettings } from './load-config.ts';
import { play } from './play.ts';
import type { Recording } from './recording.ts';
import { type CheckedTest, partsOf } from './schema.ts';

/** What became of a test. */
export type Verdict =
  | { readonly kind: 'passed'; readonly recording: Recording }
  /** The configuration does otherwise, or cannot run. */
  | { readonly kind: 'failed'; readonly describe: (look: Look) => readonly string[] }
  /** The test itself is wrong. */
  | { readonly kind: 'unusable'; readonly findings: readonly Finding[] };

/** Where a test's files are, and what its configurations may read. */
export interface Place {
  /** Files are relative to it. */
  readonly folder: string;
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** Runs a test and compares what happened with what it expects. */
export async function runTest(test: CheckedTest, place: Place): Promise<Verdict> {
  const played = await playTest(test, place);
  if (!('recording' in played)) return played;
  const { compiled, recording } = played;
  const comparison = compare(test, compiled.rows, recording);
  const { remarks, differences } = comparison;
  if (compiled.rows.length === 0 && test.reload === undefined) {
    const proves = (path: string, message: string): Verdict => ({
      kind: 'unusable',
      findings: [{ path: [path], message: `${message}, and nothing is expected: it would prove nothing` }],
    });
    if (recording.received.length + recording.refused.length === 0) return proves('in', 'no message comes');
    if (isAllIgnored(test, recording)) return proves('ignore', 'every backend is ignored');
  }
  if (remarks.length === 0 && differences.length === 0) return { kind: 'passed', recording };
  return { kind: 'failed', describe: (look) => describe(comparison, recording, look) };
}

const isAllIgnored = ({ ignore }: CheckedTest, { backends }: Recording) =>
  backends.every((name) => ignore.includes(name));

type Played = { readonly compiled: Compiled; readonly recording: Recording };

/** Runs a test and compares nothing. */
export async function playTest(
  test: CheckedTest,
  place: Place,
): Promise<Played | Exclude<Verdict, { kind: 'passed' }>> {
  const compiled = compileTest(test);
  const config = await configFor(test, place).catch(asError);
  if (config instanceof Error) {
    // What is wrong with the test is said first: it may be the reason.
    return compiled.findings.length > 0 ? { kind: 'unusable', findings: compiled.findings } : failed(config);
  }
  const reloads = await reloadsOf(test, config, place);
  const findings = [...compiled.findings, ...findStrangers(test, backendsOf([config, ...reloads.values()]))];
  if (findings.length > 0) return { kind: 'unusable', findings };
  try {
    return { compiled, recording: play(compiled.scene(config, reloads)) };
  } catch (error) {
    return failed(asError(error));
  }
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

const failed = ({ message }: Error): Verdict & { kind: 'failed' } => ({
  kind: 'failed',
  describe: () => message.split('\n'),
});

const inFolder = ({ folder }: Place, path: string): string => (isAbsolute(path) ? path : join(folder, path));

async function configFor(test: CheckedTest, place: Place): Promise<LoadedConfig> {
  const { config, set } = test;
  if (typeof config !== 'string') return Object.keys(set).length === 0 ? config : withSettings(config, set);
  return loadConfig(inFolder(place, config), { env: { ...place.env, ...test.env }, set });
}

/** The configurations of the reload diagram's letters: a file, a text, or the first one with other settings. */
async function reloadsOf(
  { reload }: CheckedTest,
  first: LoadedConfig,
  place: Place,
): Promise<ReadonlyMap<string, LoadedConfig | Error>> {
  const reloads = new Map<string, LoadedConfig | Error>();
  if (reload === undefined) return reloads;
  for (const [letter, next] of Object.entries(partsOf(reload)[1])) {
    reloads.set(letter, await loadNext(letter, next, first, place).catch(asError));
  }
  return reloads;
}

async function loadNext(
  letter: string,
  next: string | LoadedConfig | Record<string, unknown>,
  first: LoadedConfig,
  place: Place,
): Promise<LoadedConfig> {
  if (isLoadedConfig(next)) return next;
  if (typeof next !== 'string') return withSettings(first, next);
  if (!next.includes('\n')) return loadConfig(inFolder(place, next), { ...first.options });
  return configOf(next, { ...first.options, path: inFolder(place, `reload-${letter}.yaml`) });
}

const backendsOf = (configs: readonly (LoadedConfig | Error)[]): ReadonlySet<string> =>
  new Set(configs.flatMap((one) => (one instanceof Error ? [] : Object.keys(one.draft.config.backends))));
