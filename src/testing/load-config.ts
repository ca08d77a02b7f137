import { fileURLToPath } from 'node:url';
import { MAX_FILE_BYTES } from '../config/document.ts';
import { readText, readTextSync, reasonOf } from '../config/file.ts';
import { formatIssue } from '../config/issue.ts';
import { loadSinks } from '../deliver/registry.ts';
import type { SinkDefinition } from '../deliver/sink.ts';
import { type Draft, draft } from '../sidecar/draft.ts';
import { ConfigError } from '../sidecar/reload.ts';

export interface LoadOptions {
  /** The environment that `${NAME}` reads. Default: empty, so that a test does not depend on where it runs. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Settings that take the place of the file's, by path, as with `sidecar run --set`. */
  readonly set?: Readonly<Record<string, unknown>>;
}

let types: ReturnType<typeof loadSinks> | undefined;

/** Once: jest fails to link modules that are imported side by side and share another, until that one is linked. */
const loadTypes = () => {
  types ??= loadSinks().catch(loadSinks);
  return types;
};

const LOADED = Symbol('a loaded configuration');

/** A configuration that can run, its operators loaded. */
export interface LoadedConfig {
  readonly path: string;
  /** @internal */
  readonly text: string;
  /** @internal */
  readonly options: LoadOptions;
  /** @internal */
  readonly draft: Draft;
  /** @internal */
  readonly sinks: ReadonlyMap<string, SinkDefinition>;
  /** @internal */
  readonly [LOADED]: true;
}

/** Reads and checks a configuration file. Rejects with an `Error` that names everything that is wrong with it. */
export async function loadConfig(path: string, options: LoadOptions = {}): Promise<LoadedConfig> {
  let text: string;
  try {
    text = await readText(path, MAX_FILE_BYTES);
  } catch (error) {
    throw new ConfigError([`${path}: cannot read the file: ${reasonOf(error)}`]);
  }
  return configOf(text, { ...options, path });
}

/** The same for a text; `path` names it in errors, and what it refers to is relative to its folder. */
export async function configOf(
  text: string,
  { path = 'config.yaml', ...options }: LoadOptions & { readonly path?: string } = {},
): Promise<LoadedConfig> {
  const sinks = await loadTypes();
  const drafted = await draft(text, path, {
    sinks,
    shippedPipelines: fileURLToPath(new URL('../../pipelines', import.meta.url)),
    env: options.env ?? {},
    readFile: (file) => readTextSync(file, MAX_FILE_BYTES),
    // JSON is YAML.
    overrides: Object.entries(options.set ?? {}).map(([key, value]) => [key, JSON.stringify(value)] as const),
  });
  if ('errors' in drafted) throw new ConfigError(drafted.errors.map(formatIssue));
  return { path, text, options, draft: drafted, sinks, [LOADED]: true };
}

/** The configuration with other settings, by path; those it was loaded with hold on. Rejects as `loadConfig` does. */
export const withSettings = ({ path, text, options }: LoadedConfig, set: Readonly<Record<string, unknown>>) =>
  configOf(text, { ...options, path, set: { ...options.set, ...set } });

/** Whether a value is what `loadConfig` returned. */
export const isLoadedConfig = (value: unknown): value is LoadedConfig =>
  typeof value === 'object' && value !== null && LOADED in value;
