import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { fingerprint, isHidden, lookAt, placesOf } from '../../src/config/disk.ts';
import { readText, readTextSync, reasonOf } from '../../src/config/file.ts';

let folder: string;
const at = (...names: string[]) => join(folder, ...names);
beforeEach(async () => {
  folder = await realpath(await mkdtemp(join(tmpdir(), 'config-disk-')));
});
afterEach(() => rm(folder, { recursive: true }));

describe.each([
  ['readText', readText],
  ['readTextSync', async (path: string, most: number) => readTextSync(path, most)],
])('%s', (_name, read) => {
  const failure = (path: string) => read(path, 100).then(() => 'read', reasonOf);

  test('reads UTF-8 with or without a byte order mark', async () => {
    await writeFile(at('plain'), 'grün\n');
    await writeFile(at('marked'), '\ufeffgrün\n');
    await writeFile(at('empty'), '');
    expect(await read(at('plain'), 100)).toBe('grün\n');
    expect(await read(at('marked'), 100)).toBe('grün\n');
    expect(await read(at('empty'), 100)).toBe('');
  });

  test('reads up to the bound and refuses more', async () => {
    await writeFile(at('full'), 'x'.repeat(100));
    await writeFile(at('over'), 'x'.repeat(101));
    expect(await read(at('full'), 100)).toHaveLength(100);
    expect(await failure(at('over'))).toBe('it is larger than 100 bytes');
  });

  test('says why not', async () => {
    await writeFile(at('binary'), Buffer.from([0x7f, 0x45, 0xff, 0xfe]));
    await symlink('loop', at('loop'));
    expect(await failure(at('missing'))).toBe('no such file');
    expect(await failure(at('binary', 'x'))).toBe('a part of its path is not a folder');
    expect(await failure(folder)).toBe('it is not a regular file');
    expect(await failure(at('binary'))).toBe('it is not UTF-8 text');
    expect(await failure(at('loop'))).toBe('its symbolic links lead in a circle');
    expect(await failure(at('x'.repeat(300)))).toBe('its name is too long');
  });

  test('does not wait for a pipe or drink from a device', async () => {
    execFileSync('mkfifo', [at('pipe')]);
    expect(await failure(at('pipe'))).toBe('it is not a regular file');
    expect(await failure('/dev/zero')).toBe('it is not a regular file');
  });
});

test('lookAt never fails', async () => {
  await writeFile(at('x.yaml'), 'a: 1');
  expect(await lookAt(at('x.yaml'), at('none'))).toEqual({ text: 'a: 1', operators: at('none') });
  expect(await lookAt(at('none'), folder)).toMatchObject({ error: 'no such file' });
});

describe('fingerprint', () => {
  const changed = async (change: () => Promise<unknown>) => {
    const before = await fingerprint(folder);
    expect(await fingerprint(folder)).toBe(before);
    await change();
    return (await fingerprint(folder)) !== before;
  };
  beforeEach(async () => {
    await mkdir(at('lib'));
    await writeFile(at('a.ts'), 'one');
    await writeFile(at('lib', 'b.ts'), 'one');
  });

  test.each<[string, () => Promise<unknown>]>([
    ['a file that is added', () => writeFile(at('c.ts'), '')],
    ['one that is removed', () => rm(at('a.ts'))],
    ['one that is renamed', () => rename(at('a.ts'), at('z.ts'))],
    ['one that is written', () => writeFile(at('a.ts'), 'more')],
    ['one of the same size with another time', () => utimes(at('a.ts'), 1, 1)],
    ['one in a folder below', () => writeFile(at('lib', 'b.ts'), 'more')],
    ['the folder itself', () => rm(folder, { recursive: true }).then(() => mkdir(folder))],
  ])('differs for %s', async (_name, change) => expect(await changed(change)).toBe(true));

  test('differs for a file that a symbolic link leads to', async () => {
    await writeFile(at('.hidden'), 'one');
    await symlink('.hidden', at('link.ts'));
    expect(await changed(() => writeFile(at('.hidden'), 'more'))).toBe(true);
  });

  test("does not for what is nobody's operator", async () => {
    await mkdir(at('node_modules'));
    expect(
      await changed(async () => {
        await writeFile(at('.a.ts.swp'), 'x');
        await writeFile(at('a.ts~'), 'x');
        await writeFile(at('node_modules', 'x.ts'), 'x');
      }),
    ).toBe(false);
  });

  test('looks at a thousand files, not at more', async () => {
    await Promise.all(Array.from({ length: 1100 }, (_, i) => writeFile(at(`f${i}`), '')));
    expect((await fingerprint(folder)).split('\n').length).toBeLessThanOrEqual(1001);
  });
});

test.each([
  ['.git', true],
  ['x.ts~', true],
  ['node_modules', true],
  ['x.ts', false],
  ['a.b', false],
])('isHidden(%j) is %p', (name, hidden) => expect(isHidden(name)).toBe(hidden));

describe('placesOf', () => {
  test('a plain file is its own only place', async () => {
    await writeFile(at('x.yaml'), '');
    expect(await placesOf(at('x.yaml'))).toEqual([at('x.yaml')]);
    expect(await placesOf(at('missing', 'x.yaml'))).toEqual([at('missing', 'x.yaml')]);
  });

  test('every link on the way is one, as Kubernetes makes them', async () => {
    await mkdir(at('..2025'));
    await writeFile(at('..2025', 'x.yaml'), '');
    await symlink('..2025', at('..data'));
    await symlink('..data/x.yaml', at('x.yaml'));
    expect(await placesOf(at('x.yaml'))).toEqual([at('x.yaml'), at('..data'), at('..2025', 'x.yaml')]);
  });

  test('links to absolute paths and upwards are followed', async () => {
    await mkdir(at('real'));
    await mkdir(at('links'));
    await writeFile(at('real', 'x'), '');
    await symlink(at('real'), at('links', 'abs'));
    await symlink('../links/abs/x', at('links', 'up'));
    expect(await placesOf(at('links', 'up'))).toEqual([
      at('links', 'up'),
      at('links', 'abs'),
      at('real', 'x'),
    ]);
  });

  test('a circle of links ends', async () => {
    await symlink('b', at('a'));
    await symlink('a', at('b'));
    expect((await placesOf(at('a'))).length).toBeLessThanOrEqual(41);
  });
});
