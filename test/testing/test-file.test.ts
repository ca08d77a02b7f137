import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { formatIssue } from '../../src/config/issue.ts';
import { loadTests, MarbleTestError } from '../../src/testing/index.ts';
import { type FileTest, parseTests } from '../../src/testing/test-file.ts';
import { YAML } from './support.ts';

const folder = mkdtempSync(join(tmpdir(), 'sidecar-test-file-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const NO_FILES = { env: { HOME: '/home/me' }, readFile: () => '' };

/** What an environment variable is written as. */
const reference = (name: string) => `$\{${name}}`;

const testsOf = (text: string): readonly FileTest[] => {
  const result = parseTests(text, 'config/x.test.yaml', NO_FILES);
  if ('errors' in result) throw new Error(result.errors.map(formatIssue).join('\n'));
  return result.tests;
};
const errorsOf = (text: string): readonly string[] => {
  const result = parseTests(text, 'x.test.yaml', NO_FILES);
  return 'errors' in result ? result.errors.map(formatIssue) : [];
};

const SEVERAL = `config: x.yaml
env: { A: shared, B: shared }
set: { batch.max_age: 1s }
messages:
  a: { source: web }
  b: { source: web }
tests:
  - name: first
    in: a
  - in: b
    config: y.yaml
    env: { B: own }
    set: { batch.max_count: 5 }
    messages:
      b: { source: db }
      c: { source: other }
`;

describe('a test file', () => {
  test('is one test, or several', () => {
    expect(
      testsOf('config: x.yaml\nin: a|\nmessages: { a: {} }\n').map(({ test: { name } }) => name),
    ).toEqual(['test']);
    expect(testsOf(SEVERAL).map(({ test: { name } }) => name)).toEqual(['first', 'test 2']);
  });

  test('what stands beside the tests holds for each, key by key, that does not say otherwise', () => {
    const [first, second] = testsOf(SEVERAL).map((one) => one.test);
    expect(first).toMatchObject({
      config: 'x.yaml',
      env: { A: 'shared', B: 'shared' },
      set: { 'batch.max_age': '1s' },
      messages: { a: { source: 'web' }, b: { source: 'web' } },
    });
    expect(second).toMatchObject({
      config: 'y.yaml',
      env: { A: 'shared', B: 'own' },
      set: { 'batch.max_age': '1s', 'batch.max_count': 5 },
      messages: { a: { source: 'web' }, b: { source: 'db' }, c: { source: 'other' } },
    });
  });

  test('its files are relative to its folder; references are replaced as in a configuration', () => {
    const [one] = testsOf(`config: "${reference('HOME')}/x.yaml"\nin: a\n`);
    expect(one?.place).toEqual({ folder: 'config', env: NO_FILES.env });
    expect(one?.test.config).toBe('/home/me/x.yaml');
  });

  test('what is found later has its place in the file', () => {
    const [, second] = testsOf(SEVERAL);
    const issues = second?.issues([
      { path: ['in'], message: 'here' },
      { path: ['messages', 'c', 'source'], message: 'and there' },
      { path: ['messages', 'a'], message: 'shared: at the test' },
      { path: [], message: 'the whole' },
    ]);
    expect(issues?.map(formatIssue)).toEqual([
      'config/x.test.yaml:10:5 tests[1]: the whole',
      'config/x.test.yaml:10:9 tests[1].in: here',
      'config/x.test.yaml:14:5 tests[1].messages.a: shared: at the test',
      'config/x.test.yaml:16:20 tests[1].messages.c.source: and there',
    ]);
  });
});

describe('a file that is wrong', () => {
  test.each([
    ['', 'x.test.yaml:1:1: a test file is a map, with "in" and "out" or with "tests"'],
    ['- in: a', 'x.test.yaml:1:1: a test file is a map, with "in" and "out" or with "tests"'],
    ['in: [', 'x.test.yaml:1:6: not YAML'],
    ['in: a', 'x.test.yaml:1:1 config: expected the path of a configuration'],
    ['config: x\nin: a\nin: b', 'x.test.yaml:3:1 in: this key is given twice'],
    ['config: x\nin: a\nuot: {}', 'x.test.yaml:3:1 uot: unknown key "uot"; did you mean "out"?'],
    [`config: x\nin: "${reference('NOPE')}"`, 'x.test.yaml:2:5 in: the environment variable NOPE is not set'],
    ['tests: []', 'x.test.yaml:1:8 tests: must not be empty'],
    ['tests: {}', 'x.test.yaml:1:8 tests: expected a list, not a map'],
    ['config: x\ntests: [{}]', 'x.test.yaml:2:9 tests[0].in: is missing; expected text'],
    ['tests: [{ in: a }]', 'x.test.yaml:1:9 tests[0].config: expected the path of a configuration'],
    ['config: x\nname: y\ntests: [{ in: a }]', 'x.test.yaml:2:1 name: unknown key "name"'],
    [
      'config: x\nmessages: { ab: {} }\ntests: [{ in: a }]',
      'x.test.yaml:2:13 messages.ab: not a usable name',
    ],
    [
      'config: x\ntests: [{ in: a, messages: 5 }]',
      'x.test.yaml:2:28 tests[0].messages: expected a map, not a number',
    ],
    [
      'config: x\nin: a\nout: { one: [x, { x: { target: y } }] }',
      'x.test.yaml:3:19 out.one[1].x.messages: is missing',
    ],
    [
      'config: x\nin: a\nbackends: { one: { answers: [] } }',
      'x.test.yaml:3:29 backends.one.answers: must not be empty',
    ],
    [
      'config: x\nin: a\nbackends: { one: { down: { from: 3 } } }',
      'x.test.yaml:3:34 backends.one.down.from: expected a duration',
    ],
    [
      'config: x\nin: a\nbackends: { one: { throttle: 1 } }',
      'x.test.yaml:3:30 backends.one.throttle: expected a duration',
    ],
    ['config: x\nin: a\nreload_results: { r: maybe }', 'x.test.yaml:3:22 reload_results.r: '],
    ['config: x\nin: a\nrepeat: { a: 0 }', 'x.test.yaml:3:14 repeat.a: must be at least 1'],
  ])('%j', (text, error) => {
    expect(errorsOf(text)[0]).toContain(error);
  });

  test('all errors at once, in the order of the file', () => {
    const errors = errorsOf('config: x\ntests:\n  - in: 5\n    nane: y\n  - uot: 1\n    in: a\n');
    expect(errors).toEqual([
      'x.test.yaml:3:9 tests[0].in: expected text, not a number; put it in quotes',
      'x.test.yaml:4:5 tests[0].nane: unknown key "nane"; did you mean "name"?',
      'x.test.yaml:5:5 tests[1].uot: unknown key "uot"; did you mean "out"?',
    ]);
  });

  test('never throws, whatever it is', () => {
    const lines = fc.array(
      fc.constantFrom(
        'tests:',
        '- in: a',
        '  in: [',
        'config: x',
        'out: {',
        'messages: { a: {} }',
        '  - ',
        '*x',
        '&x',
        '"',
      ),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          lines.map((all) => all.join('\n')),
        ),
        (text) => {
          const result = parseTests(text, 'x.test.yaml', NO_FILES);
          expect('errors' in result ? result.errors.length > 0 : result.tests.length > 0).toBe(true);
        },
      ),
    );
  });
});

describe('loadTests', () => {
  const at = (name: string, text: string): string => {
    mkdirSync(join(folder, 'sub'), { recursive: true });
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };

  test('gives the tests to a test runner', async () => {
    at('x.yaml', YAML);
    at('sub/next.yaml', YAML.replace('- backend: one\n  default', '- backend: two\n  default'));
    const path = at(
      'sub/x.test.yaml',
      `config: ../x.yaml
messages: { d: { source: db } }
tests:
  - { name: good, in: "d 1s |", out: { one: "100ms d" } }
  - { name: reloaded, in: "d 1s |", reload: [r, { r: next.yaml }], out: { two: "100ms d" } }
  - name: with a text
    in: "d 1s |"
    reload:
      - r
      - r: |
          routing: { default: [{ backend: two }] }
          backends: { two: { type: filesystem, base_path: /two } }
    out: { two: "5s d" }
  - { name: bad, in: "d 1s |", out: { two: "100ms d" } }
  - { name: unusable, in: "z" }
`,
    );
    const tests = await loadTests(path);
    expect(tests.map(({ name }) => name)).toEqual(['good', 'reloaded', 'with a text', 'bad', 'unusable']);
    expect((await tests[0]!.prove()).sent).toHaveLength(1);
    await tests[1]!.prove();
    await expect(tests[2]!.prove()).rejects.toThrow('two: ["1.001s x"');
    await expect(tests[3]!.prove()).rejects.toThrow(/^bad\n +0 +100ms\n/);
    await expect(tests[3]!.prove()).rejects.toBeInstanceOf(MarbleTestError);
    await expect(tests[4]!.prove()).rejects.toThrow(
      `unusable\n${path}:15:27 tests[4].in: there is no message z`,
    );
  });

  test('a file that cannot be read, or is wrong', async () => {
    const nowhere = join(folder, 'none.test.yaml');
    await expect(loadTests(nowhere)).rejects.toThrow(`${nowhere}: cannot read the file: no such file`);
    const path = at('wrong.test.yaml', 'in: 5\nconfig: x\n');
    await expect(loadTests(path)).rejects.toThrow(
      `${path}:1:5 in: expected text, not a number; put it in quotes`,
    );
  });

  test('the environment is what the caller gives, and what the test says before it', async () => {
    at('env.yaml', YAML.replace('/logs/two', `"${reference('PLACE')}"`));
    const test =
      'config: env.yaml\nmessages: { a: { source: web } }\nin: "a 1s |"\nignore: [one]\nout: { two: ["100ms x", { x: { messages: a, target: /p/events/web.jsonl } }] }\n';
    const path = at('env.test.yaml', test);
    const run = async (file: string, env?: Record<string, string>) =>
      (await loadTests(file, env === undefined ? {} : { env }))[0]!.prove();
    await expect(run(path)).rejects.toThrow('the environment variable PLACE is not set');
    await run(path, { PLACE: '/p' });
    await run(at('env2.test.yaml', `${test}env: { PLACE: /p }\n`), { PLACE: '/other' });
  });
});
