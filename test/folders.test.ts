import { statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { makeFolders, makeFoldersSync } from '../src/folders.ts';
import { createFolder } from './processes.ts';

const isFolder = (path: string) => statSync(path).isDirectory();
/** Both ways to make folders. */
const ways = [
  ['one after the other', makeFolders],
  ['at once', async (path: string) => makeFoldersSync(path)],
] as const;

test.each(ways)('all that is missing is made, %s; what is there is left alone', async (_, make) => {
  const path = join(createFolder(), 'a', 'b', 'c');
  await make(path);
  await make(path);
  expect(isFolder(path)).toBe(true);
});

test.each(ways)('where nothing can be made it says so, and ends, %s', async (_, make) => {
  await expect(make('/proc/nothing')).rejects.toThrow('ENOENT');
  await expect(make('/proc/nothing/at/all')).rejects.toThrow('ENOENT');
});

test.each(ways)('what stands in the way is an error, %s', async (_, make) => {
  const folder = createFolder();
  writeFileSync(join(folder, 'file'), '');
  symlinkSync(join(folder, 'gone'), join(folder, 'link'));
  await expect(make(join(folder, 'file'))).rejects.toThrow('EEXIST');
  await expect(make(join(folder, 'file', 'below'))).rejects.toThrow('ENOTDIR');
  await expect(make(join(folder, 'link', 'below'))).rejects.toThrow('ENOENT');
});

test('many at a time make the same, and what is below it', async () => {
  const folder = createFolder();
  for (let round = 0; round < 20; round++) {
    const path = join(folder, String(round), 'a', 'b', 'c');
    const below = Array.from({ length: 20 }, (_, n) => join(path, String(n % 5), 'd'));
    await Promise.all([path, ...below].map((one) => makeFolders(one)));
    expect(below.every(isFolder)).toBe(true);
  }
});

test('they have the mode that is asked for', async () => {
  const path = join(createFolder(), 'a', 'b');
  await makeFolders(path, 0o700);
  for (const made of [path, join(path, '..')]) expect(statSync(made).mode & 0o777).toBe(0o700);
});
