import { existsSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { ConfigIssue } from '../config/issue.ts';
import { type ParseOptions, parseConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import type { SinkDefinition } from '../deliver/sink.ts';
import { type LoadedOperator, loadOperators } from '../route/load-operators.ts';

/** A checked configuration and the operators that it names, loaded. */
export interface Draft {
  readonly config: Config;
  readonly hash: string;
  readonly warnings: readonly ConfigIssue[];
  readonly operators: ReadonlyMap<string, LoadedOperator>;
}

export interface DraftOptions extends ParseOptions {
  readonly sinks: ReadonlyMap<string, SinkDefinition>;
  /** Folder of the package's own operators, for names that the user's folder does not have. */
  readonly shippedPipelines: string;
}

/** Where a configuration's operators are; relative to the file. */
export const pipelinesOf = (config: Config, path: string) => resolve(dirname(path), config.pipelines);

/** Reads a configuration and loads its operators; all errors at once, each with its place. Never throws. */
export async function draft(
  text: string,
  path: string,
  options: DraftOptions,
): Promise<Draft | { readonly errors: readonly ConfigIssue[] }> {
  const first = parseConfig(text, path, options);
  if ('errors' in first) return first;
  const names = Object.values(first.config.routing).flatMap((rules) =>
    rules.flatMap(({ operators }) => operators.map(({ use }) => use)),
  );
  const folder = pipelinesOf(first.config, path);
  const found = await loadOperators(folder, names, {
    fallbackDir: options.shippedPipelines,
  });
  const types = new Map(
    [...found].map(([name, one]) => [name, one instanceof Error ? one : one.operator] as const),
  );
  const missingFolder = existsSync(`${folder}/`) ? undefined : folder;
  const second = parseConfig(text, path, { ...options, operators: types, missingFolder });
  if ('errors' in second) return second;
  const operators = new Map(
    [...found].flatMap(([name, one]) => (one instanceof Error ? [] : [[name, one] as const])),
  );
  return { ...second, operators };
}

/** Whether two drafts would run alike: the same configuration and the same operators' code. */
export const isSameDraft = (a: Draft, b: Draft): boolean =>
  a.hash === b.hash && [...a.operators].every(([name, { hash }]) => b.operators.get(name)?.hash === hash);
