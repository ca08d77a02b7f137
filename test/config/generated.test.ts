import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, test } from '@jest/globals';
import { backendTypes, configReference } from '../../scripts/config-reference.ts';
import type { BackendType } from '../../src/config/backends.ts';
import { readTextSync } from '../../src/config/file.ts';
import { configJson, editorSchema, type JsonSchema } from '../../src/config/json-schema.ts';
import { parseConfig } from '../../src/config/load.ts';
import type { OperatorType } from '../../src/config/rules.ts';
import { lines } from './support.ts';

const root = new URL('../../', import.meta.url);
const read = (name: string) => readFile(new URL(name, root), 'utf8');
const STALE = 'is stale: run `npx jiti scripts/generate-config-docs.ts`';

let types: Map<string, BackendType>;
const operators = new Map<string, OperatorType>();
beforeAll(async () => {
  types = await backendTypes(new URL('src/sinks', root).pathname);
  for (const name of ['dedupe', 'rate-limit', 'redact', 'tail-sample']) {
    const { default: operator } = await import(new URL(`pipelines/${name}.ts`, root).href);
    operators.set(name, operator);
  }
});

test('the types are the files in src/sinks', () => {
  expect([...types.keys()]).toEqual(expect.arrayContaining(['console', 'filesystem']));
});

describe('what is generated is up to date', () => {
  test('config/sidecar.schema.json', async () => {
    const fresh = `${JSON.stringify(editorSchema(types), null, 2)}\n`;
    if ((await read('config/sidecar.schema.json')) !== fresh)
      throw new Error(`config/sidecar.schema.json ${STALE}`);
  });

  test('docs/configuration.md', async () => {
    if ((await read('docs/configuration.md')) !== configReference(types))
      throw new Error(`docs/configuration.md ${STALE}`);
  });
});

describe('the files that are shipped load with the real types', () => {
  const load = async (name: string) => {
    const readFile = (path: string) => readTextSync(path, 2 ** 20);
    return parseConfig(await read(name), name, { env: {}, readFile, sinks: types, operators });
  };

  test.each([
    ['config/default.yaml', 0],
    ['config/example.yaml', 0],
    ['config/sidecar-config.yaml', 1],
  ])('%s, with %d warnings', async (name, count) => {
    const result = await load(name);
    expect('errors' in result ? lines(result.errors) : []).toEqual([]);
    expect('warnings' in result && result.warnings).toHaveLength(count);
  });

  test('config/default.yaml listens on loopback and writes below ./data', async () => {
    const result = await load('config/default.yaml');
    if ('errors' in result) throw new Error('no configuration');
    expect(result.config).toMatchObject({
      tcp: { host: '127.0.0.1', port: 17_000 },
      http: { host: '127.0.0.1', port: 17_001 },
      data_dir: './data',
      backends: { files: { options: { base_path: './data/logs', path: '{source}.jsonl' } } },
    });
  });

  test('config/example.yaml has every section and every key of a rule', async () => {
    const text = await read('config/example.yaml');
    const { properties = {} } = configJson(types);
    for (const section of Object.keys(properties)) expect(text).toMatch(new RegExp(`^(# )?${section}:`, 'm'));
    for (const key of ['enabled', 'priority', 'when_full', 'filter', 'config', 'operators'])
      expect(text).toContain(` ${key}:`);
  });
});

describe('the schema for editors', () => {
  const at = (schema: JsonSchema, ...keys: string[]): JsonSchema =>
    keys.reduce<JsonSchema>((part, key) => part.properties?.[key] ?? {}, schema);

  test('says what is required and refuses the rest', () => {
    const schema = editorSchema(types);
    expect(schema.required).toEqual(['routing', 'backends']);
    expect(schema.additionalProperties).toBe(false);
  });

  test('takes a reference wherever a number or a duration stands', () => {
    const reference = { $ref: '#/definitions/reference' };
    expect(at(editorSchema(types), 'http', 'port').anyOf).toContainEqual(reference);
    expect(at(editorSchema(types), 'batch', 'max_age').anyOf).toContainEqual(reference);
    expect(
      new RegExp(editorSchema(types).definitions?.reference?.pattern ?? '').test('$' + '{PORT:-5}'),
    ).toBe(true);
  });

  test('has one form of section for each type', () => {
    const backends = at(editorSchema(types), 'backends').additionalProperties as JsonSchema;
    expect(backends.oneOf?.map(({ title }) => title)).toEqual([...types.keys()]);
    const files = backends.oneOf?.find(({ title }) => title === 'filesystem') ?? {};
    expect(files.required).toEqual(['type', 'base_path']);
    expect(at(files, 'retry', 'max').default).toBe('30s');
  });
});

describe('the reference page', () => {
  test('explains every key', () => {
    const rows = configReference(types)
      .split('\n')
      .filter((line) => line.startsWith('| `'));
    expect(rows.length).toBeGreaterThan(60);
    const missing = rows.filter((row) => row.endsWith('|  |') && !/credentials|token/.test(row));
    expect(missing).toEqual([]);
  });
});
