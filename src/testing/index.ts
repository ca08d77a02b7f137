/** Proves a configuration by marbles in virtual time; docs/testing.md explains how. Needs no test runner. */

import { proveFileTest } from './prove.ts';
import type { Recording } from './recording.ts';
import { readTests } from './test-file.ts';

export { configOf, type LoadedConfig, type LoadOptions, loadConfig, withSettings } from './load-config.ts';
export { MarbleTestError, prove, record } from './prove.ts';
export type { EndedMessages, Recording, ReloadRecord, SentBatch } from './recording.ts';
export type { MarbleTest } from './schema.ts';

/** A test of a test file. */
export interface NamedTest {
  readonly name: string;
  /** Rejects with `MarbleTestError` if the test fails. */
  prove(): Promise<Recording>;
}

/** The tests of a YAML test file, to run them under a test runner. Rejects with an `Error` if it cannot be read. */
export async function loadTests(
  path: string,
  { env = {} }: { readonly env?: Readonly<Record<string, string | undefined>> } = {},
): Promise<readonly NamedTest[]> {
  const tests = await readTests(path, env);
  return tests.map((one) => ({ name: one.test.name, prove: () => proveFileTest(one) }));
}
