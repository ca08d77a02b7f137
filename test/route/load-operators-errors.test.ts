import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { loadOperators } from '../../src/route/load-operators.ts';
import { operatorFolder, SHIPPED } from './operator-folder.ts';

const PASS = 'export default () => (message$: unknown) => message$;\n';
const { path, write, failure } = operatorFolder();

describe('an error names the file and says what to do', () => {
  test.each([
    ['a syntax error', 'export default () => {\n  const a = ;\n};', 'DIR/bad.ts:2:13: Unexpected token'],
    [
      'no default export',
      'export const a = 1;',
      'DIR/bad.ts: has no default export; it owes an operator: export default (options, context) => (message$) => message$.pipe(…)',
    ],
    [
      'a default export of another kind',
      'export default { a: 1 };',
      'DIR/bad.ts: its default export is an object; it owes an operator: export default (options, context) => (message$) => message$.pipe(…)',
    ],
    [
      'options that are no schema',
      'export default Object.assign(() => 1, { options: { rate: 1 } });',
      'DIR/bad.ts: its "options" is an object; it owes a zod schema, or none',
    ],
    ['a throw', '\nthrow new RangeError("too much");', 'DIR/bad.ts:2: failed while loading: too much'],
    ['a throw of something else', 'throw "text";', "DIR/bad.ts: failed while loading: 'text'"],
    [
      'a reference to nothing',
      'const a: number = b;\nexport default a;',
      'DIR/bad.ts:1: failed while loading: b is not defined',
    ],
    [
      'an import of a missing file',
      'import "./gone.ts";',
      'DIR/bad.ts: imports "./gone.ts", which does not exist',
    ],
    [
      'an import of a missing package',
      'import { x } from "not-there";\nexport default x;',
      'DIR/bad.ts: imports "not-there", which is not installed; run npm install not-there in DIR (rxjs, rxjs/operators, zod, monitoring-sidecar come with the sidecar)',
    ],
    [
      'an await at the top',
      'const a = await Promise.resolve(1);\nexport default a;',
      'DIR/bad.ts:1: failed while loading: await is only valid in async functions and the top level bodies of modules (an operator file cannot await at its top level)',
    ],
  ])('%s', async (_, text, expected) => {
    await write({ 'bad.ts': text });
    expect(await failure('bad')).toBe(expected);
  });

  test('of an import, at its place', async () => {
    await write({ 'x.ts': "import './lib.ts';\nexport default 1;", 'lib.ts': '\nexport const a: = 1;' });
    expect(await failure('x')).toBe('DIR/lib.ts:2:17: Unexpected token');
    await write({ 'lib.ts': '\n\nnull.a;' });
    expect(await failure('x')).toMatch(
      /^DIR\/lib\.ts:3: failed while loading: Cannot read properties of null/,
    );
  });

  test('a missing file, with the name that may be meant', async () => {
    await write({ 'redakt.ts': PASS, 'lib.ts': 'export const a = 1;', 'notes.md': '', 'Other.ts': '' });
    expect(await failure('redakd')).toBe(
      'operator "redakd": there is no DIR/redakd.ts; did you mean "redakt"?',
    );
    expect(await failure('nothing')).toBe('operator "nothing": there is no DIR/nothing.ts; there are redakt');
    expect(await failure('dedup', SHIPPED)).toBe(
      `operator "dedup": there is no DIR/dedup.ts nor ${join(SHIPPED, 'dedup.ts')}; did you mean "dedupe"?`,
    );
  });

  test('a missing folder', async () => {
    const loaded = await loadOperators(path('none'), ['x']);
    expect(String(loaded.get('x'))).toContain(
      `operator "x": there is no ${path('none', 'x.ts')}; there are none`,
    );
  });

  test('a folder in place of a file', async () => {
    await write({ 'x.ts/y': '' });
    expect(await failure('x')).toBe('operator "x": there is no DIR/x.ts; there are none');
  });

  test.each(['../x', 'a/b', '/etc/passwd', 'x.ts', '', 'X', 'a\0', '__proto__!'])(
    'a name that is a path, %j',
    async (name) => {
      await write({ 'x.ts': PASS });
      expect(await failure(name)).toBe(
        `operator ${JSON.stringify(name)}: a name has only a–z, 0–9, _ and -; no path, no ending`,
      );
    },
  );

  test('and spoils no other', async () => {
    await write({ 'good.ts': PASS, 'bad.ts': 'throw 1;' });
    const loaded = await loadOperators(path(), ['bad', 'good', 'good', 'gone', '__proto__']);
    expect([...loaded].map(([name, each]) => [name, each instanceof Error])).toEqual([
      ['bad', true],
      ['good', false],
      ['gone', true],
      ['__proto__', true],
    ]);
  });
});
