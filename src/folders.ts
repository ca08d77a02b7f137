import { existsSync, mkdirSync, statSync } from 'node:fs';
import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

// `recursive` of Node.js 20 tries for ever where a folder answers ENOENT to whatever is made in it, as /proc does: its
// promise never settles, and the process cannot be ended but by force.

/** Makes a folder, and those above it that are missing. Rejects with the system's error. */
export async function makeFolders(path: string, mode = 0o777): Promise<void> {
  try {
    await makeFolder(path, mode);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    const parent = dirname(path);
    if (!(await isThere(parent))) await makeFolders(parent, mode);
    // Once more where it is there: somebody else may have made it meanwhile.
    await makeFolder(path, mode);
  }
}

/** The same at once. Throws the system's error. */
export function makeFoldersSync(path: string): void {
  try {
    makeFolderSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
    const parent = dirname(path);
    if (!existsSync(parent)) makeFoldersSync(parent);
    makeFolderSync(path);
  }
}

async function makeFolder(path: string, mode: number): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST' || !(await stat(path)).isDirectory()) throw error;
  }
}

function makeFolderSync(path: string): void {
  try {
    mkdirSync(path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST' || !statSync(path).isDirectory()) throw error;
  }
}

const isThere = (path: string) =>
  stat(path).then(
    () => true,
    () => false,
  );

const codeOf = (error: unknown) => (error as NodeJS.ErrnoException).code;
