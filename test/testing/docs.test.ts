// What docs/testing.md shows works as it says.
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { test as command } from '../../src/commands/test.ts';
import { loadTests, prove } from '../../src/testing/index.ts';
import { fileSchema, testSchema } from '../../src/testing/schema.ts';
import { ROOT } from '../processes.ts';

const DOC = readFileSync(join(ROOT, 'docs', 'testing.md'), 'utf8');
const blocks = (language: string) =>
  [...DOC.matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\`$`, 'gms'))].map(([, text = '']) => text);

const folder = mkdtempSync(join(tmpdir(), 'sidecar-docs-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
beforeAll(() =>
  copyFileSync(join(ROOT, 'config', 'sidecar-config.yaml'), join(folder, 'sidecar-config.yaml')),
);

const [first = '', behaviours = ''] = blocks('yaml');
const [sample = ''] = blocks('text');

test('the first test file passes', async () => {
  const path = join(folder, 'first.test.yaml');
  writeFileSync(path, first);
  const tests = await loadTests(path);
  expect(tests).toHaveLength(2);
  for (const one of tests) await one.prove();
});

test('the failure is one that the sidecar prints', async () => {
  const path = join(folder, 'x.test.yaml');
  const failing = first
    .slice(0, first.indexOf('  - name: an error'))
    .replace(/- name: .*/, '- name: metrics go to the database');
  writeFileSync(path, failing.replace('in: "e-m 5s |"', 'in: "e-m-m 5s |"'));
  const pieces: string[] = [];
  await command(
    { files: [path], colour: false },
    { env: {}, out: { write: (text) => void pieces.push(text) } },
  );
  expect(pieces.join('').replaceAll(`${folder}/`, 'config/')).toBe(sample);
});

test('the behaviours are read', async () => {
  const letters = { x: { source: 'config-service' } };
  const { backends } = parse(behaviours);
  await prove({
    config: join(folder, 'sidecar-config.yaml'),
    messages: letters,
    in: 'x',
    ...{ backends },
    ignore: ['s3'],
  });
});

test('the code passes', async () => {
  const [code = ''] = blocks('ts');
  const literal = code.slice(code.indexOf('prove({') + 6, code.lastIndexOf(')'));
  const written = new Function(`return ${literal}`)();
  await prove({ ...written, config: join(ROOT, written.config) });
});

describe('every key is explained', () => {
  const explained = new Set(
    [...DOC.matchAll(/^\| ((?:`\w+`(?:, )?)+) \|/gm)].flatMap(([, keys = '']) => keys.match(/\w+/g) ?? []),
  );

  test.each(Object.keys(testSchema.shape))('%s', (key) => expect(explained).toContain(key));
  test('and those of a file', () => {
    for (const key of Object.keys(fileSchema.shape)) expect(DOC).toContain(`\`${key}\``);
  });
});
