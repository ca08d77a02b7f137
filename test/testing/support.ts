import {
  configOf,
  type LoadedConfig,
  type MarbleTest,
  MarbleTestError,
  prove,
} from '../../src/testing/index.ts';

/** Two files and an archive; web goes to both files, db to one, everything else to the archive. */
export const YAML = `
batch: { max_age: 100ms, max_count: 3 }
shutdown: { deadline: 1s }
routing:
  web:
    - backend: one
    - backend: two
      filter: { types: [event] }
      config: { path: "events/{source}.jsonl" }
  db:
    - backend: one
  default:
    - backend: archive
      config: { bucket: logs, prefix: "{source}/" }
backends:
  one: { type: filesystem, base_path: /logs }
  two: { type: filesystem, base_path: /logs/two }
  archive: { type: s3, region: us-east-1 }
`;

export const load = (more = '', options: Parameters<typeof configOf>[1] = {}): Promise<LoadedConfig> =>
  configOf(YAML + more, { path: 'config/x.yaml', ...options });

/** Messages of the sources above. */
export const MESSAGES = {
  a: { source: 'web' },
  b: { source: 'web' },
  m: { source: 'web', type: 'metric' },
  d: { source: 'db' },
  o: { source: 'other' },
  x: { source: 'web', data: { level: 'fatal', message: 'gone' } },
};

/** A test on the configuration above. */
export const testOf = async (test: Partial<MarbleTest> & { in: string }): Promise<MarbleTest> => ({
  config: await load(),
  messages: MESSAGES,
  ...test,
});

export const proveOf = async (test: Partial<MarbleTest> & { in: string }) => prove(await testOf(test));

/** Why a test fails, line by line, without its name; `[]` if it passes. */
export async function faultsOf(test: Partial<MarbleTest> & { in: string }): Promise<string[]> {
  try {
    await proveOf(test);
    return [];
  } catch (error) {
    if (!(error instanceof MarbleTestError)) throw error;
    return error.message.split('\n').slice(1);
  }
}
