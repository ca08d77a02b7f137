import { existsSync, mkdirSync, statSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

// `recursive` of Node.js 20 tries for ever where a folder answers ENOENT to whatever is made in it, as /proc does: its
// promise never settles, and the process cannot be ended but by force.

/** Makes a folder, and those above it that are missing. Rejects with the system's error. */
export async function makeFolders(path: string, mode = 0o777): Promise<void> {
  try {
    await mkdir(path, { mode });
    return;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && (await stat(path)).isDirectory()) return;
    if (code !== 'ENOENT' || (await isThere(dirname(path)))) throw error;
  }
  await makeFolders(dirname(path), mode);
  await makeFolders(path, mode);
}

const isThere = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

/** The same at once. Throws the system's error. */
export function makeFoldersSync(path: string): void {
  try {
    mkdirSync(path);
    return;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST' && statSync(path).isDirectory()) return;
    if (code !== 'ENOENT' || existsSync(dirname(path))) throw error;
  }
  makeFoldersSync(dirname(path));
  makeFoldersSync(path);
}
