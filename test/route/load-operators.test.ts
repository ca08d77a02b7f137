import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import * as rxjs from 'rxjs';
import { asyncScheduler, of } from 'rxjs';
import { z } from 'zod';
import { dataOf, type Message } from '../../src/message.ts';
import { type LoadedOperator, loadOperators } from '../../src/route/load-operators.ts';
import { messageOf, operatorContext } from './support.ts';

const SHIPPED = join(import.meta.dirname, '../../pipelines');
const PASS = 'export default () => (message$: unknown) => message$;\n';
let dir = '';

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'operators-'));
});
afterEach(() => rm(dir, { recursive: true }));

async function write(files: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text);
  }
}

async function load(name: string, fallbackDir?: string): Promise<LoadedOperator> {
  const loaded = (await loadOperators(dir, [name], fallbackDir === undefined ? {} : { fallbackDir })).get(
    name,
  );
  if (loaded === undefined || loaded instanceof Error) throw loaded;
  return loaded;
}

/** The message of the error that loading gives. */
const failure = async (name: string, fallbackDir?: string) => {
  const loaded = (await loadOperators(dir, [name], fallbackDir === undefined ? {} : { fallbackDir })).get(
    name,
  );
  expect(loaded).toBeInstanceOf(Error);
  return (loaded as Error).message.replaceAll(dir, 'DIR');
};

/** What an operator without state makes of one message. */
function apply({ operator }: LoadedOperator, message: Message): Message | undefined {
  let result: Message | undefined;
  of(message)
    .pipe(operator({}, operatorContext(asyncScheduler)))
    .subscribe((each) => {
      result = each;
    });
  return result;
}

describe('an operator is', () => {
  test('a TypeScript file with a default export, in a folder without packages', async () => {
    await write({
      'mark.ts': `
        import { map, Observable } from 'rxjs';
        import { filter } from 'rxjs/operators';
        import { z } from 'zod';
        import { dataOf, type Message, type Operator, withData } from 'monitoring-sidecar';
        import type { Missing } from './types-only.ts';

        const options = z.strictObject({ mark: z.string().default('m') });
        const mark: Operator<z.output<typeof options>> = ({ mark = 'm' }) => (message$) =>
          message$.pipe(
            filter((message): message is Message => message$ instanceof Observable),
            map((message) => withData(message, { ...dataOf(message), mark: mark satisfies string })),
          );
        mark.options = options;
        export default mark;
      `,
    });
    const loaded = await load('mark');
    expect(loaded).toMatchObject({ name: 'mark', file: join(dir, 'mark.ts') });
    expect(loaded.hash).toMatch(/^[0-9a-f]{64}$/);
    expect(dataOf(apply(loaded, messageOf('a', { data: { n: 1 } })) as Message)).toEqual({ n: 1, mark: 'm' });
    expect(loaded.operator.options?.parse({ mark: 'x' })).toEqual({ mark: 'x' });
  });

  test('given the sidecar’s own copies of its packages', async () => {
    await write({
      'copies.ts': `
        import * as rxjs from 'rxjs';
        import { z } from 'zod';
        import { dataOf } from 'monitoring-sidecar';
        export default Object.assign(() => (message$: unknown) => message$, { copies: [rxjs.Observable, z.object, dataOf] });
      `,
    });
    const { operator } = await load('copies');
    expect(operator).toMatchObject({ copies: [rxjs.Observable, z.object, dataOf] });
  });

  test('made of several files, written in any of the usual ways', async () => {
    await write({
      'whole.ts': `
        import { a } from './parts/a.ts';
        import { b } from './parts/b';
        import c from './parts/c.js';
        import d from './parts/d.cjs';
        import { e } from './parts/e.mjs';
        import f from './parts/f.json' with { type: 'json' };
        import { join } from 'node:path';
        export default Object.assign(() => (message$: unknown) => message$, { parts: [a, b, c, d.d, e, f.f, join('x', 'y')] });
      `,
      'parts/a.ts': "export { deep as a } from '../deep.ts';",
      'deep.ts': 'export const deep: string = "a";',
      'parts/b.ts': 'export const b = "b" as const;',
      'parts/c.js': 'export default "c";',
      'parts/d.cjs': 'module.exports = { d: "d" };',
      'parts/e.mjs': 'import { of } from "rxjs"; export const e = of ? "e" : "";',
      'parts/f.json': '{ "f": "f" }',
    });
    expect((await load('whole')).operator).toMatchObject({ parts: ['a', 'b', 'c', 'd', 'e', 'f', 'x/y'] });
  });

  test('one of the sidecar’s own where the folder has no such file', async () => {
    const names = ['redact', 'dedupe', 'rate-limit', 'tail-sample'];
    for (const name of names) {
      const loaded = await load(name, SHIPPED);
      expect(loaded.file).toBe(join(SHIPPED, `${name}.ts`));
      expect(loaded.operator.options).toBeDefined();
    }
    await write({ 'redact.ts': PASS });
    expect((await load('redact', SHIPPED)).file).toBe(join(dir, 'redact.ts'));
  });
});

describe('a reload', () => {
  test('gives the identical function for unchanged files', async () => {
    await write({ 'x.ts': PASS });
    const [first, second] = [await load('x'), await load('x')];
    expect(second).toBe(first);
  });

  test('gives a new one for an edited file', async () => {
    await write({ 'x.ts': PASS });
    const first = await load('x');
    await write({ 'x.ts': `${PASS}// edited` });
    const second = await load('x');
    expect(second.operator).not.toBe(first.operator);
    expect(second.hash).not.toBe(first.hash);
  });

  test.each(['lib.ts', 'lib.mjs', 'deep/lib.ts'])(
    'gives a new one for an edited import, %s',
    async (path) => {
      const operator = `import { n } from './${path}';\nexport default Object.assign(() => (message$: unknown) => message$, { n });`;
      await write({ 'x.ts': operator, [path]: 'export const n = 1;' });
      const first = await load('x');
      await write({ [path]: 'export const n = 2;' });
      const second = await load('x');
      expect([first.operator, second.operator]).toMatchObject([{ n: 1 }, { n: 2 }]);
      expect(second.hash).not.toBe(first.hash);
    },
  );

  test('with the old text gives the old hash', async () => {
    await write({ 'x.ts': PASS });
    const { hash } = await load('x');
    await write({ 'x.ts': `${PASS}//` });
    await load('x');
    await write({ 'x.ts': PASS });
    expect((await load('x')).hash).toBe(hash);
  });

  test('of a broken file fails, and of the mended one gives what there was', async () => {
    await write({ 'x.ts': PASS });
    const first = await load('x');
    await write({ 'x.ts': 'export default' });
    await failure('x');
    await failure('x');
    await write({ 'x.ts': PASS });
    expect(await load('x')).toBe(first);
  });

  test('notices a file of the user’s that now stands before a shipped one', async () => {
    const shipped = await load('dedupe', SHIPPED);
    await write({ 'dedupe.ts': PASS });
    expect((await load('dedupe', SHIPPED)).hash).not.toBe(shipped.hash);
    await rm(join(dir, 'dedupe.ts'));
    expect(await load('dedupe', SHIPPED)).toBe(shipped);
  });

  test('has the same hash in another folder', async () => {
    const files = {
      'x.ts': "import './lib.ts';\nexport default () => (m: unknown) => m;",
      'lib.ts': 'export {};',
    };
    await write(files);
    const { hash } = await load('x');
    const first = dir;
    dir = await mkdtemp(join(tmpdir(), 'other-'));
    await write(files);
    expect((await load('x')).hash).toBe(hash);
    await rm(first, { recursive: true });
  });
});

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
    ['a throw', '\nthrow new RangeError("too much");', 'DIR/bad.ts:2:7: failed while loading: too much'],
    ['a throw of something else', 'throw "text";', "DIR/bad.ts: failed while loading: 'text'"],
    [
      'a reference to nothing',
      'const a: number = b;\nexport default a;',
      'DIR/bad.ts:1:19: failed while loading: b is not defined',
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
      /^DIR\/lib\.ts:3:6: failed while loading: Cannot read properties of null/,
    );
  });

  test('a missing file, with the name that may be meant', async () => {
    await write({ 'redakt.ts': PASS, 'notes.md': '', 'Other.ts': '' });
    expect(await failure('redakd')).toBe(
      'operator "redakd": there is no DIR/redakd.ts; did you mean "redakt"?',
    );
    expect(await failure('nothing')).toBe('operator "nothing": there is no DIR/nothing.ts; there are redakt');
    expect(await failure('dedup', SHIPPED)).toBe(
      `operator "dedup": there is no DIR/dedup.ts nor ${join(SHIPPED, 'dedup.ts')}; did you mean "dedupe"?`,
    );
  });

  test('a missing folder', async () => {
    const loaded = await loadOperators(join(dir, 'none'), ['x']);
    expect(String(loaded.get('x'))).toContain(
      `operator "x": there is no ${join(dir, 'none', 'x.ts')}; there are none`,
    );
  });

  test('a folder in place of a file', async () => {
    await write({ 'x.ts/y': '' });
    expect(await failure('x')).toMatch(/^DIR\/x\.ts: failed while loading: EISDIR/);
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
    const loaded = await loadOperators(dir, ['bad', 'good', 'good', 'gone', '__proto__']);
    expect([...loaded].map(([name, each]) => [name, each instanceof Error])).toEqual([
      ['bad', true],
      ['good', false],
      ['gone', true],
      ['__proto__', true],
    ]);
  });
});
