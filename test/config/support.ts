import { z } from 'zod';
import type { BackendType } from '../../src/config/backends.ts';
import { type ConfigIssue, formatIssue } from '../../src/config/issue.ts';
import { type ParseOptions, type ParseResult, parseConfig } from '../../src/config/load.ts';
import type { Config } from '../../src/config/schema.ts';

const text = z.string().min(1);

/** Types of backends as the brief's file needs them, and no more. */
export const sinks: ReadonlyMap<string, BackendType> = new Map<string, BackendType>([
  [
    'postgres',
    {
      options: z.strictObject({
        connection_string: text,
        table: text.default('events'),
        pool_size: z.int().default(4),
      }),
      overrides: z.strictObject({ table: text.optional() }),
    },
  ],
  [
    'filesystem',
    {
      options: z.strictObject({ base_path: text, path: text.optional(), fsync: z.boolean().default(false) }),
      overrides: z.strictObject({ path: text.optional() }),
    },
  ],
  [
    's3',
    {
      options: z.strictObject({ region: text, password: text.optional() }),
      overrides: z.strictObject({ bucket: text.optional(), prefix: text.optional() }),
    },
  ],
  [
    'cloudwatch',
    {
      options: z.strictObject({ region: text }),
      overrides: z.strictObject({ log_group: text.optional(), log_stream: text.optional() }),
    },
  ],
]);

const unreadable = (path: string): never => {
  throw Object.assign(new Error(`ENOENT: no such file or directory, open '${path}'`), { code: 'ENOENT' });
};

/** Options that know the sinks above, no environment and no files. */
export const surroundings: ParseOptions = { env: {}, readFile: unreadable, sinks };

/** Options with these files and nothing else to read. */
export const withFiles = (
  files: Readonly<Record<string, string>>,
  env: ParseOptions['env'] = {},
): ParseOptions => ({
  ...surroundings,
  env,
  readFile: (path) => files[path] ?? unreadable(path),
});

export const FILE = 'config/x.yaml';

export const parse = (yaml: string, options: Partial<ParseOptions> = {}): ParseResult =>
  parseConfig(yaml, FILE, { ...surroundings, ...options });

/** The configuration; fails the test where there are errors. */
export function configOf(yaml: string, options: Partial<ParseOptions> = {}): Config {
  return accepted(yaml, options).config;
}

export function accepted(yaml: string, options: Partial<ParseOptions> = {}) {
  const result = parse(yaml, options);
  if ('errors' in result) throw new Error(lines(result.errors).join('\n'));
  return result;
}

/** The errors as a user reads them; none for a good configuration. */
export function errorsOf(yaml: string, options: Partial<ParseOptions> = {}): string[] {
  const result = parse(yaml, options);
  return 'errors' in result ? lines(result.errors) : [];
}

export const lines = (issues: readonly ConfigIssue[]): string[] => issues.map(formatIssue);

/** The least that is valid, with more before it. */
export const minimal = (more = ''): string =>
  `${more}\nrouting:\n  default:\n    - backend: files\nbackends:\n  files: { type: filesystem, base_path: /logs }\n`;
