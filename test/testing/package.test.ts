// The helper as users have it: built, out of their own folder, under any test runner or none.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, jest, test } from '@jest/globals';
import { ROOT } from '../processes.ts';

jest.setTimeout(180_000);

const folder = realpathSync(mkdtempSync(join(tmpdir(), 'sidecar-package-')));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

beforeAll(() => {
  mkdirSync(join(folder, 'node_modules'));
  symlinkSync(ROOT, join(folder, 'node_modules', 'monitoring-sidecar'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  for (const file of ['sidecar-config.yaml', 'sidecar-config.test.yaml']) {
    copyFileSync(join(ROOT, 'config', file), join(folder, file));
  }
});

function run(args: readonly string[], file: string, code: string) {
  writeFileSync(join(folder, file), code);
  const { status, stdout, stderr } = spawnSync(process.execPath, [...args, file], {
    cwd: folder,
    encoding: 'utf8',
    // Not ours: it says that a test runner is at work already.
    env: { PATH: process.env.PATH, NO_COLOR: '1' },
  });
  return { status, text: stdout + stderr };
}

const ROUTES = `{
  config: 'sidecar-config.yaml',
  in: 'c 5s |',
  messages: { c: { source: 'config-service' } },
  out: { s3: '5s c' },
}`;

test('without a test runner: a failure is an error with the diff in its message', () => {
  const { status, text } = run(
    [],
    'plain.js',
    `import { prove } from 'monitoring-sidecar/testing';
     const test = ${ROUTES};
     const { sent } = await prove(test);
     console.log(sent[0].target);
     await prove({ ...test, out: {} }).catch((error) => console.log(error.name + ': ' + error.message));`,
  );
  expect(text).toBe(`monitoring-logs/config-service/
MarbleTestError: marble test
              0  5s
in            c
s3  expected
    received     [c]
                 ^^^
to expect what was received:
  out: { s3: ["5s x", { x: "c" }] }
`);
  expect(status).toBe(0);
});

test("under Node's own", () => {
  const { status, text } = run(
    ['--test'],
    'routes.test.js',
    `import { test } from 'node:test';
     import { loadTests } from 'monitoring-sidecar/testing';
     for (const { name, prove } of await loadTests('sidecar-config.test.yaml')) test(name, prove);`,
  );
  expect(text).toMatch(/pass 8\n.*fail 0/s);
  expect(status).toBe(0);
});

test('under jest, with its own module loader', () => {
  const jestBinary = join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js');
  const flags = ['--experimental-vm-modules', '--disable-warning=ExperimentalWarning'];
  const { status, text } = run(
    [
      ...flags,
      jestBinary,
      '--rootDir',
      folder,
      '--testEnvironment',
      'node',
      '--transform',
      '{}',
      '--runTestsByPath',
    ],
    'jest.test.js',
    `import { loadTests, prove } from 'monitoring-sidecar/testing';
     test('first', () => prove(${ROUTES}));
     test('second', async () => { for (const one of await loadTests('sidecar-config.test.yaml')) await one.prove(); });`,
  );
  expect(text).toMatch(/Tests: +2 passed, 2 total/);
  expect(status).toBe(0);
});
