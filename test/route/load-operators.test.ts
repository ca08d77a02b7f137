import { cp, mkdtemp, readFile, rename, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import * as rxjs from 'rxjs';
import { asyncScheduler, from, map, of } from 'rxjs';
import { z } from 'zod';
import { dataOf, type Message } from '../../src/message.ts';
import { type LoadedOperator, loadOperators } from '../../src/route/load-operators.ts';
import { operatorFolder, SHIPPED } from './operator-folder.ts';
import { messageOf, operatorContext } from './support.ts';

const PASS = 'export default () => (message$: unknown) => message$;\n';
const { path, write, load, failure } = operatorFolder();

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

/** What a file has hung on its operator. */
const extrasOf = ({ operator }: LoadedOperator): object => ({ ...operator });

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
    expect(loaded).toMatchObject({ name: 'mark', file: path('mark.ts') });
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
    const { copies } = extrasOf(await load('copies')) as { copies: unknown[] };
    for (const [at, copy] of [rxjs.Observable, z.object, dataOf].entries()) expect(copies[at]).toBe(copy);
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
    expect(extrasOf(await load('whole'))).toEqual({ parts: ['a', 'b', 'c', 'd', 'e', 'f', 'x/y'] });
  });

  test('what the guide shows', async () => {
    const guide = await readFile(join(SHIPPED, 'README.md'), 'utf8');
    const [, shown = ''] = /`pipelines\/shorten\.ts`[\s\S]*?```ts\n([\s\S]*?)```/.exec(guide) ?? [];
    await write({ 'shorten.ts': shown });
    const { operator } = await load('shorten');
    const options = operator.options?.parse({ max: 7 }) ?? {};
    const texts: unknown[] = [];
    from(['short', 'far too long'])
      .pipe(map((message) => messageOf('a', { data: { message } })))
      .pipe(operator(options, operatorContext(asyncScheduler)))
      .subscribe((message) => texts.push(dataOf(message).message));
    expect(texts).toEqual(['short', 'far too…']);
  });

  test('one of the sidecar’s own where the folder has no such file', async () => {
    const names = ['redact', 'dedupe', 'rate-limit', 'tail-sample'];
    for (const name of names) {
      const loaded = await load(name, SHIPPED);
      expect(loaded.file).toBe(join(SHIPPED, `${name}.ts`));
      expect(loaded.operator.options).toBeDefined();
    }
    await write({ 'redact.ts': PASS });
    expect((await load('redact', SHIPPED)).file).toBe(path('redact.ts'));
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
      expect([first, second].map(extrasOf)).toEqual([{ n: 1 }, { n: 2 }]);
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
    await rm(path('dedupe.ts'));
    expect(await load('dedupe', SHIPPED)).toBe(shipped);
  });

  test('has the same hash in another folder', async () => {
    const files = {
      'x.ts': "import './lib.ts';\nexport default () => (m: unknown) => m;",
      'lib.ts': 'export {};',
    };
    await write(files);
    const { hash } = await load('x');
    const elsewhere = await mkdtemp(join(tmpdir(), 'elsewhere-'));
    await cp(path(), elsewhere, { recursive: true });
    const copy = (await loadOperators(elsewhere, ['x'])).get('x');
    await rm(elsewhere, { recursive: true });
    expect(copy).toMatchObject({ hash });
  });

  test('of what a swapped link leads to: new if an import differs, though the old one is still there', async () => {
    const version = (name: string, n: number) => ({
      [`${name}/x.ts`]:
        "import { n } from './lib.ts';\nexport default Object.assign(() => (m: unknown) => m, { n });",
      [`${name}/lib.ts`]: `export const n = ${n};`,
    });
    const swap = async (name: string) => {
      await symlink(name, path('next'));
      await rename(path('next'), path('..data'));
    };
    await write({ ...version('..one', 1), ...version('..two', 2), ...version('..three', 2) });
    await swap('..one');
    for (const name of ['x.ts', 'lib.ts']) await symlink(`..data/${name}`, path(name));
    const first = await load('x');
    await swap('..two');
    const second = await load('x');
    expect([first, second].map(extrasOf)).toEqual([{ n: 1 }, { n: 2 }]);
    await swap('..three');
    expect((await load('x')).hash).toBe(second.hash);
  });

  test('the ones that were read, where the link is swapped and their folder goes meanwhile', async () => {
    // What a file does while it is run happens after it and what it imports were read.
    const swapping = `
      import { renameSync, rmSync, symlinkSync } from 'node:fs';
      symlinkSync('..two', ${JSON.stringify(path('next'))});
      renameSync(${JSON.stringify(path('next'))}, ${JSON.stringify(path('..data'))});
      rmSync(${JSON.stringify(path('..one'))}, { recursive: true });
    `;
    const file =
      "import { n } from './lib.ts';\nexport default Object.assign(() => (m: unknown) => m, { n });";
    await write({
      '..one/x.ts': `${file}${swapping}`,
      '..one/lib.ts': 'export const n = 1;',
      '..two/x.ts': file,
      '..two/lib.ts': 'export const n = 2;',
    });
    await symlink('..one', path('..data'));
    for (const name of ['x.ts', 'lib.ts']) await symlink(`..data/${name}`, path(name));
    const first = await load('x');
    const second = await load('x');
    expect([first, second].map(extrasOf)).toEqual([{ n: 1 }, { n: 2 }]);
    expect(second.hash).not.toBe(first.hash);
  });
});
