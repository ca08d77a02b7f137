import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { linuxProcesses } from '../deliver/spool/lock.ts';
import { makeFolders } from '../folders.ts';

const SHARED =
  'another sidecar uses this data_dir: sessions may be forgotten, and what one spools the other cannot; give each its own, as with --data-dir';

/**
 * Writes into a sidecar's own folder whose it is, and says so in the log where that is another process that runs on
 * this host. Never rejects: a disk that refuses is told of by what needs it. Resolves to what gives the folder back.
 */
export async function claimFolder(dir: string, { log }: Pick<Context, 'log'>): Promise<() => Promise<void>> {
  const path = join(dir, 'owner');
  const owner = () => readFile(path, 'utf8').catch(() => '');
  const self = await linuxProcesses.self();
  const other = await owner();
  if (other !== self && (await linuxProcesses.isAlive(other))) {
    log.warn({ data_dir: dir, pid: Number(other.split(' ')[1]) }, SHARED);
    return async () => {};
  }
  await makeFolders(dir)
    .then(() => writeFile(path, self))
    .catch(() => {});
  return async () => {
    if ((await owner()) === self) await rm(path, { force: true }).catch(() => {});
  };
}
