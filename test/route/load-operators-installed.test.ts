import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';

const run = promisify(execFile);
const ROOT = join(import.meta.dirname, '../..');
const BUILD_TIMEOUT_MS = 60_000;
let dir = '';
/** The package as npm installs it, built from the sources. */
let installed = '';
/** A user's folder elsewhere, without packages. */
let user = '';

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'installed-'));
  const modules = join(dir, 'app/node_modules');
  installed = join(modules, 'monitoring-sidecar');
  user = join(dir, 'user');
  await mkdir(installed, { recursive: true });
  await mkdir(user);
  await writeFile(
    join(dir, 'tsconfig.json'),
    JSON.stringify({
      extends: join(ROOT, 'tsconfig.build.json'),
      compilerOptions: {
        rootDir: join(ROOT, 'src'),
        outDir: join(installed, 'dist'),
        incremental: false,
        tsBuildInfoFile: null,
        declaration: false,
        typeRoots: [join(ROOT, 'node_modules/@types')],
      },
      include: [],
      files: [join(ROOT, 'src/route/chain.ts')],
    }),
  );
  await run(process.execPath, [
    join(ROOT, 'node_modules/typescript/bin/tsc'),
    '-p',
    join(dir, 'tsconfig.json'),
  ]);
  await writeFile(join(installed, 'package.json'), '{"name":"monitoring-sidecar","type":"module"}');
  await cp(join(ROOT, 'pipelines'), join(installed, 'pipelines'), { recursive: true });
  for (const name of ['jiti', 'rxjs', 'zod', 'picomatch', 'tslib']) {
    await symlink(join(ROOT, 'node_modules', name), join(modules, name));
  }
}, BUILD_TIMEOUT_MS);

afterAll(() => rm(dir, { recursive: true }));

/** Runs a module text in plain Node with `load(name)` at hand; what it prints. */
async function inNode(text: string): Promise<unknown> {
  const script = `
    import { appendFileSync, writeFileSync } from 'node:fs';
    import * as rxjs from 'rxjs';
    import { loadOperators } from './node_modules/monitoring-sidecar/dist/route/load-operators.js';
    const user = ${JSON.stringify(user)};
    const fallbackDir = ${JSON.stringify(join(installed, 'pipelines'))};
    const write = (name, text) => writeFileSync(user + '/' + name, text);
    const load = async (name) => (await loadOperators(user, [name], { fallbackDir })).get(name);
    const print = (value) => console.log(JSON.stringify(value));
    ${text}`;
  await writeFile(join(dir, 'app/script.mjs'), script);
  const { stdout, stderr } = await run(process.execPath, ['--expose-gc', join(dir, 'app/script.mjs')], {
    cwd: user,
  });
  expect(stderr).toBe('');
  return JSON.parse(stdout);
}

describe('in plain Node, installed', () => {
  test('loads a TypeScript file of a folder without packages, on the package’s own RxJS', async () => {
    const operator = `
      import { map, Observable } from 'rxjs';
      import { filter } from 'rxjs/operators';
      import { z } from 'zod';
      import { type Operator, withData, createMessage } from 'monitoring-sidecar';
      import { names } from './names';
      const keep: Operator = () => (message$) => message$.pipe(filter((message) => names.includes(message.id)));
      export default Object.assign(keep, { Observable, kinds: [map, z.object, withData, createMessage].map((each) => typeof each) });
    `;
    await writeFile(join(user, 'keep.ts'), operator);
    await writeFile(join(user, 'names.ts'), "export const names: readonly string[] = ['a'];");
    const result = await inNode(`
      const { operator, hash } = await load('keep');
      const out = [];
      rxjs.of({ id: 'a' }, { id: 'b' }).pipe(operator({}, {})).subscribe(({ id }) => out.push(id));
      print({ out, same: operator.Observable === rxjs.Observable, kinds: operator.kinds, hash: hash.length });
    `);
    expect(result).toEqual({ out: ['a'], same: true, kinds: Array(4).fill('function'), hash: 64 });
  });

  test('loads the shipped operators from inside node_modules', async () => {
    const result = await inNode(`
      const loaded = await Promise.all(['redact', 'dedupe', 'rate-limit', 'tail-sample'].map(load));
      print(loaded.map(({ name, operator, hash }) => [name, typeof operator.options.parse, hash.length]));
    `);
    expect(result).toEqual(
      ['redact', 'dedupe', 'rate-limit', 'tail-sample'].map((name) => [name, 'function', 64]),
    );
  });

  test('reloads those, too', async () => {
    const result = await inNode(`
      const file = fallbackDir + '/dedupe.ts';
      const first = await load('dedupe');
      appendFileSync(file, '// edited');
      const second = await load('dedupe');
      print([first.file === file, first.operator === second.operator, first.hash === second.hash]);
    `);
    expect(result).toEqual([true, false, false]);
  });

  test('reloads edited imports of every kind, and nothing else', async () => {
    const operator = `
      import a from './r1.json' with { type: 'json' };
      import b from './r2.cjs';
      import { c } from './r3.mjs';
      export default Object.assign(() => (m) => m, { sum: a.a + b.b + c });
    `;
    await writeFile(join(user, 'sum.ts'), operator);
    const result = await inNode(`
      write('r1.json', '{"a":1}'); write('r2.cjs', 'module.exports = {b: 10}'); write('r3.mjs', 'export const c = 100;');
      const loaded = [await load('sum'), await load('sum')];
      write('r1.json', '{"a":2}'); loaded.push(await load('sum'));
      write('r2.cjs', 'module.exports = {b: 20}'); loaded.push(await load('sum'));
      write('r3.mjs', 'export const c = 200;'); loaded.push(await load('sum'));
      print({ sums: loaded.map(({ operator }) => operator.sum), hashes: new Set(loaded.map(({ hash }) => hash)).size, same: loaded[0].operator === loaded[1].operator });
    `);
    expect(result).toEqual({ sums: [111, 111, 112, 122, 222], hashes: 4, same: true });
  });

  test('tells where a missing import is asked for', async () => {
    await writeFile(join(user, 'deep.ts'), "import './missing-dep.ts';\nexport default 1;");
    await writeFile(join(user, 'missing-dep.ts'), "import 'not-there';");
    expect(await inNode(`print((await load('deep')).message)`)).toBe(
      `${join(user, 'missing-dep.ts')}: imports "not-there", which is not installed; run npm install not-there in ${user} (rxjs, rxjs/operators, zod, monitoring-sidecar come with the sidecar)`,
    );
  });

  test(
    'does not grow over hundreds of reloads',
    async () => {
      const result = await inNode(`
      const heap = async () => { await new Promise((done) => setTimeout(done, 20)); gc(); gc(); return process.memoryUsage().heapUsed; };
      const edit = async (n) => {
        write('lib.ts', 'export const n: number = ' + n + '; // ' + 'x'.repeat(100_000));
        write('grow.ts', "import { n } from './lib.ts'; export default Object.assign(() => (m: unknown) => m, { n });");
        const { operator } = await load('grow');
        if (operator.n !== n) throw new Error('stale');
      };
      for (let n = 0; n < 100; n++) await edit(n);
      const before = await heap();
      for (let n = 100; n < 500; n++) await edit(n);
      print(await heap() - before);
    `);
      // Of 40 MB of source: had any of it been kept, it would show.
      expect(result).toBeLessThan(10e6);
    },
    BUILD_TIMEOUT_MS,
  );
});
