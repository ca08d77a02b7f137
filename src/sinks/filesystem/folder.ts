import { mkdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, isAbsolute, join } from 'node:path';
import { Permanent } from '../../deliver/sink.ts';
import { makeFolders } from '../../folders.ts';
import { unless } from './failure.ts';
import { isInside } from './path.ts';

export interface Folder {
  /** Absolute; what is opened stays in it, symbolic links included. */
  readonly base: string;
  readonly createBase: boolean;
  /** Permissions of folders that are made. */
  readonly mode: number;
}

const realOrAbsent = (path: string) => realpath(path).catch(unless('ENOENT'));

/**
 * The real path of a file inside `base`, whether it is there or not; its folders are made. Errors with
 * `Permanent` if a symbolic link leads out of `base`, with the system's error otherwise.
 */
export async function resolveInside(path: string, folder: Folder): Promise<string> {
  const base = await realBase(folder);
  if (!isAbsolute(path) || !isInside(folder.base, path)) throw elsewhere(path, folder);
  const real = await realOrAbsent(path);
  if (real !== undefined) return confined(base, real, path);
  const parent = await makeFolder(dirname(path), base, folder);
  return join(parent, basename(path));
}

/** Whatever is wrong with `base` itself is no message's fault, and passes once somebody acts. */
async function realBase(folder: Folder): Promise<string> {
  try {
    return await foundOrMade(folder);
  } catch (error) {
    throw new Error(`base_path '${folder.base}' cannot be used: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

async function foundOrMade({ base, createBase, mode }: Folder): Promise<string> {
  const real = await realOrAbsent(base);
  if (real !== undefined) {
    if (!(await stat(real)).isDirectory()) throw new Error('it is not a folder');
    return real;
  }
  if (!createBase) throw new Error('it is missing; it is not made, as create_base_path is false');
  await makeFolders(base, mode);
  return realpath(base);
}

/** Makes one folder after the other, so that none is made beyond a link that leads out. */
async function makeFolder(path: string, base: string, folder: Folder): Promise<string> {
  if (path === folder.base) return base;
  const there = await realOrAbsent(path);
  if (there !== undefined) return confined(base, there, path);
  const parent = await makeFolder(dirname(path), base, folder);
  const made = join(parent, basename(path));
  await mkdir(made, { mode: folder.mode }).catch(unless('EEXIST'));
  const real = await realOrAbsent(made);
  if (real === undefined)
    throw new Permanent(`'${path}' is a symbolic link that leads nowhere`, { scope: 'batch' });
  return confined(base, real, path);
}

/** What an earlier version left in the spool says where the backend had its files then. */
const elsewhere = (path: string, { base }: Folder) =>
  new Permanent(
    `'${path}' is not in base_path '${base}': it was meant for the backend as it was configured before; \`sidecar dlq retry\` sends it by the rules of today`,
    { scope: 'batch' },
  );

function confined(base: string, real: string, path: string): string {
  if (isInside(base, real)) return real;
  throw new Permanent(`'${path}' leads to '${real}', outside base_path; remove the symbolic link`, {
    scope: 'batch',
  });
}
