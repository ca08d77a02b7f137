import { readdir, readlink, stat } from 'node:fs/promises';
import { dirname, join, parse, relative, resolve, sep } from 'node:path';
import { MAX_FILE_BYTES } from './document.ts';
import { readText, reasonOf } from './file.ts';
import type { Snapshot } from './reread.ts';

/** One look at the configuration file and the operators' folder. Never fails. */
export async function lookAt(path: string, folder: string): Promise<Snapshot> {
  const operators = await fingerprint(folder);
  try {
    return { text: await readText(path, MAX_FILE_BYTES), operators };
  } catch (error) {
    return { error: reasonOf(error), operators };
  }
}

const MOST_FILES = 1000;

/** Differs whenever a file below `folder` was added, removed, replaced or written; hidden ones do not count. */
export async function fingerprint(folder: string): Promise<string> {
  const found = await filesBelow(folder, MOST_FILES);
  const marks = await Promise.all(
    found.map(async (file) => {
      const mark = await stat(file).catch(() => undefined);
      return `${relative(folder, file)}:${mark?.size}:${mark?.mtimeMs}:${mark?.ino}`;
    }),
  );
  return [resolve(folder), ...marks].join('\n');
}

async function filesBelow(folder: string, most: number): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const files: string[] = [];
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (isHidden(entry.name) || files.length >= most) continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await filesBelow(path, most - files.length)));
    else files.push(path);
  }
  return files;
}

/** Files that are nobody's operators: dot files (editors' among them) and installed packages. */
export const isHidden = (name: string): boolean =>
  name.startsWith('.') || name.endsWith('~') || name === 'node_modules';

/** One text a folder, another one where it was replaced; the birth, as a number of an inode is used again. */
export const whichFolders = (folders: readonly string[]): Promise<string[]> =>
  Promise.all(
    folders.map(async (folder) => {
      const mark = await stat(folder).catch(() => undefined);
      return `${folder}:${mark?.dev}:${mark?.ino}:${mark?.birthtimeMs}`;
    }),
  );

const MOST_LINKS = 40;

/**
 * Every place on the way to a file that decides what is read there: each symbolic link (a Kubernetes ConfigMap
 * is swapped by one, in the middle of the path) and the file itself.
 */
export async function placesOf(path: string): Promise<string[]> {
  const places: string[] = [];
  let { root: at } = parse(resolve(path));
  let left = partsOf(resolve(path));
  while (left.length > 0) {
    const [part = '', ...rest] = left;
    const next = join(at, part);
    const target = places.length < MOST_LINKS ? await readlink(next).catch(() => undefined) : undefined;
    if (target === undefined) {
      at = next;
      left = rest;
      continue;
    }
    places.push(next);
    const real = resolve(dirname(next), target);
    at = parse(real).root;
    left = [...partsOf(real), ...rest];
  }
  return [...places, at];
}

const partsOf = (path: string): string[] => path.slice(parse(path).root.length).split(sep).filter(Boolean);
