import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { test as command } from '../../src/commands/test.ts';
import { closeAll, runToEnd } from '../processes.ts';
import { YAML } from '../testing/support.ts';

const CONFIG = fileURLToPath(new URL('../../config', import.meta.url));

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sidecar-test-command-'));
});
afterEach(async () => {
  await closeAll();
  rmSync(folder, { recursive: true, force: true });
});

function write(name: string, text: string): string {
  const path = join(folder, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

interface Run {
  readonly code: number;
  readonly lines: readonly string[];
}

/** Runs the command; the folder's name is left out of what it prints. */
async function run(
  files: readonly string[],
  { colour = false, columns }: { colour?: boolean; columns?: number } = {},
): Promise<Run> {
  const pieces: string[] = [];
  const out = { write: (more: string) => void pieces.push(more), ...(columns !== undefined && { columns }) };
  const code = await command({ files, colour }, { env: {}, out });
  const text = pieces.join('');
  expect(text.endsWith('\n')).toBe(true);
  return { code, lines: text.trimEnd().replaceAll(`${folder}/`, '').split('\n') };
}

const GOOD =
  'config: x.yaml\nname: good\nmessages: { d: { source: db } }\nin: "d 1s |"\nout: { one: "100ms d" }\n';
const BAD = GOOD.replace('good', 'bad').replace('100ms d', '5s d');

test('an operator may freeze what it is given: no other rule notices', async () => {
  write(
    'pipelines/frozen.ts',
    "import { map } from 'rxjs';\nexport default () => map((m: object) => Object.freeze(m));\n",
  );
  const frozen = YAML.replace('backend: one', 'backend: one\n      operators: [frozen]');
  write('x.yaml', frozen.replace('types: [event]', 'match: { data.n: 1 }'));
  write(
    'good.test.yaml',
    `config: x.yaml
name: good
messages: { a: { source: web, data: { n: 1 } }, b: { source: web, data: { n: 2 } } }
in: "(ab) 1s |"
out: { one: ["100ms x", { x: ab }], two: "100ms a" }
`,
  );
  expect((await run([folder])).lines).toEqual(['good.test.yaml', '  ✓ good', '1 passed, 0 failed']);
});

describe('a line a test, a summary, an exit code', () => {
  beforeEach(() => void write('x.yaml', YAML));

  test('0 where all pass', async () => {
    expect(await run([write('a.test.yaml', GOOD)])).toEqual({
      code: 0,
      lines: ['a.test.yaml', '  ✓ good', '1 passed, 0 failed'],
    });
  });

  test('1 where one fails, with an aligned diff', async () => {
    expect(await run([write('a.test.yaml', GOOD), write('b.test.yaml', BAD)])).toEqual({
      code: 1,
      lines: [
        'a.test.yaml',
        '  ✓ good',
        'b.test.yaml',
        '  ✗ bad',
        '                   0  100ms  5s',
        '    in             d',
        '    one  expected            [d]',
        '         received     [d]',
        '                      ^^^    ^^^',
        '    to expect what was received:',
        '      out: { one: ["100ms x", { x: "d" }] }',
        '1 passed, 1 failed',
      ],
    });
  });

  test('2 where a test cannot be used, whatever the others do', async () => {
    expect(
      await run([write('a.test.yaml', BAD), write('b.test.yaml', GOOD.replace('d 1s', 'e 1s'))]),
    ).toMatchObject({
      code: 2,
      lines: expect.arrayContaining([
        '  ✗ good',
        '    b.test.yaml:4:5 in: there is no message e',
        '0 passed, 1 failed, 1 unusable',
      ]),
    });
  });

  test('2 where a file cannot be used; the others are run', async () => {
    const files = [
      join(folder, 'none.test.yaml'),
      write('a.test.yaml', 'in: 5\n'),
      write('b.test.yaml', GOOD),
    ];
    expect(await run(files)).toEqual({
      code: 2,
      lines: [
        'none.test.yaml: no such file',
        'a.test.yaml:1:1 config: expected the path of a configuration',
        'a.test.yaml:1:5 in: expected text, not a number; put it in quotes',
        'b.test.yaml',
        '  ✓ good',
        '1 passed, 0 failed, 2 unusable',
      ],
    });
  });

  test('1 where the configuration is wrong: that is what the test is for', async () => {
    write('x.yaml', YAML.replace('backend: two', 'backend: tow'));
    expect(await run([write('a.test.yaml', GOOD)])).toEqual({
      code: 1,
      lines: [
        'a.test.yaml',
        '  ✗ good',
        '    x.yaml:7:16 routing.web[1].backend: unknown backend "tow"; did you mean "two"?',
        '0 passed, 1 failed',
      ],
    });
  });
});

describe('which files', () => {
  beforeEach(() => {
    write('x.yaml', YAML);
    write('b.test.yaml', GOOD);
    write('a.test.yml', GOOD);
    write('sub/x.yaml', YAML);
    write('sub/c.test.yaml', GOOD);
    write('node_modules/p/x.yaml', YAML);
    write('node_modules/p/d.test.yaml', GOOD);
    write('.hidden/e.test.yaml', GOOD);
    write('other.yaml', GOOD);
  });
  const filesOf = ({ lines }: Run) => lines.filter((line) => !line.startsWith(' ')).slice(0, -1);

  test('all test files below a folder, sorted; none of packages or hidden', async () => {
    expect(filesOf(await run([folder]))).toEqual(['a.test.yml', 'b.test.yaml', 'sub/c.test.yaml']);
  });

  test('a file that is named, whatever its name, and each only once', async () => {
    const other = join(folder, 'other.yaml');
    expect(filesOf(await run([other, other, join(folder, 'sub')]))).toEqual([
      'other.yaml',
      'sub/c.test.yaml',
    ]);
  });

  test('a folder that is named is looked into, whatever its name', async () => {
    expect(await run([join(folder, 'node_modules')])).toMatchObject({ code: 0 });
  });

  test('a folder without tests is no success', async () => {
    mkdirSync(join(folder, 'empty'));
    expect(await run([join(folder, 'empty')])).toEqual({
      code: 2,
      lines: ['no test files (*.test.yaml) found; name one, or a folder', '0 passed, 0 failed, 1 unusable'],
    });
  });
});

describe('on a terminal', () => {
  beforeEach(() => void write('x.yaml', YAML));

  test('colours where asked for', async () => {
    const path = write('b.test.yaml', BAD);
    const coloured = await run([path], { colour: true });
    expect(coloured.lines[1]).toBe('  \x1b[31m✗\x1b[39m bad');
    expect(coloured.lines[4]).toBe('    one  expected            \x1b[32m[d]\x1b[39m');
    expect(coloured.lines[5]).toBe('         received     \x1b[31m[d]\x1b[39m');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: colours begin with one
    const bare = coloured.lines.map((line) => line.replaceAll(/\x1b\[\d+m/g, '').trimEnd());
    expect(bare).toEqual((await run([path])).lines);
  });

  test('lines fit it', async () => {
    const times = Array.from({ length: 30 }, () => 'd 199ms ').join('');
    const path = write('b.test.yaml', BAD.replace('d 1s |', `${times} |`));
    const { lines } = await run([path], { columns: 60 });
    const table = lines.slice(2, lines.indexOf('    to expect what was received:'));
    expect(table.length).toBeGreaterThan(10);
    expect(table.filter((line) => line.length > 60)).toEqual([]);
  });

  test('nothing in a file can control it', async () => {
    const evil = String.raw`\e[2J\u202e`;
    const path = write(
      'b.test.yaml',
      BAD.replace('name: bad', `name: "${evil}"`).replace('in: "d', `ignore: ["${evil}"]\nin: "d`),
    );
    const { lines } = await run([path], { colour: false });
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(lines.join('\n')).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
    expect(lines[1]).toBe(String.raw`  ✗ \x1b[2J\u202e`);
  });
});

test('the environment is that of the command', async () => {
  write('x.yaml', YAML.replace('/logs/two', `"$\{PLACE}"`));
  const path = write('a.test.yaml', GOOD);
  expect((await run([path])).lines[2]).toContain('the environment variable PLACE is not set');
  const pieces: string[] = [];
  const host = { env: { PLACE: '/p' }, out: { write: (more: string) => void pieces.push(more) } };
  expect(await command({ files: [path], colour: false }, host)).toBe(0);
  expect(pieces.join('')).toContain('✓ good');
});

test('the tests that come with the package pass: they prove what it ships', async () => {
  const { code, lines } = await run([CONFIG]);
  expect(lines.filter((line) => /^ +✗/.test(line))).toEqual([]);
  expect(lines.at(-1)).toMatch(/^(1[5-9]|[2-9]\d) passed, 0 failed$/);
  expect(code).toBe(0);
}, 60_000);

describe('sidecar test', () => {
  test('runs what is below the working directory, without a terminal and without colours', async () => {
    write('x.yaml', YAML);
    write('a.test.yaml', GOOD);
    const passed = await runToEnd(['test'], { cwd: folder });
    expect(passed).toMatchObject({
      code: 0,
      stdout: 'a.test.yaml\n  ✓ good\n1 passed, 0 failed\n',
      stderr: '',
    });
    write('b.test.yaml', BAD);
    expect(await runToEnd(['test', 'b.test.yaml'], { cwd: folder })).toMatchObject({ code: 1 });
    expect(await runToEnd(['test', 'c.test.yaml'], { cwd: folder })).toMatchObject({ code: 2 });
  }, 120_000);
});
