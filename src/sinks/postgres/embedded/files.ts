import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, chown, stat, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname } from 'node:path';
import { promisify } from 'node:util';
import { makeFolders } from '../../../folders.ts';

/** Whom the server runs as; empty: as the sidecar does. */
export interface User {
  readonly uid?: number;
  readonly gid?: number;
}

/** Whom the server may be if the sidecar is root, which PostgreSQL refuses to be. */
const USERS = ['postgres', 'nobody'];
/** Enter without listing. */
const PASSABLE = 0o711;
const OTHERS_ENTER = 0o001;

const run = promisify(execFile);

/** The user of the server. Rejects where the sidecar is root and there is nobody else. */
export async function serverUser(): Promise<User> {
  if (userInfo().uid !== 0) return {};
  for (const name of USERS) {
    const [uid, gid] = await Promise.all(['-u', '-g'].map((flag) => idOf(flag, name)));
    if (uid !== undefined && gid !== undefined) return { uid, gid };
  }
  throw new Error(`PostgreSQL does not run as root; make a user named ${USERS.join(' or ')}`);
}

async function idOf(flag: string, name: string): Promise<number | undefined> {
  const found = await run('id', [flag, name]).catch(() => undefined);
  return found === undefined ? undefined : Number(found.stdout);
}

/**
 * Makes the folder `<data_dir>/postgres/<backend>` for the server's user. Rejects if that one cannot enter it from
 * outside `data_dir`.
 */
export async function prepareFolder(folder: string, user: User): Promise<void> {
  await makeFolders(folder, 0o700);
  if (user.uid === undefined || user.gid === undefined) return;
  await chown(folder, user.uid, user.gid);
  const ours = [dirname(folder), dirname(dirname(folder))];
  for (const path of ours) await chmod(path, ((await stat(path)).mode & 0o777) | PASSABLE);
  for (let path = dirname(dirname(dirname(folder))); path !== dirname(path); path = dirname(path)) {
    if (((await stat(path)).mode & OTHERS_ENTER) === 0) {
      throw new Error(`the embedded PostgreSQL, which is not root, cannot enter ${path}; chmod o+x ${path}`);
    }
  }
}

/** Writes a new random password that only the server's user, and root, can read. */
export async function writePassword(path: string, { uid, gid }: User): Promise<void> {
  await writeFile(path, `${randomBytes(24).toString('hex')}\n`, { mode: 0o600 });
  if (uid !== undefined && gid !== undefined) await chown(path, uid, gid);
}

/** Whether there is a file or folder of this path. */
export const exists = (path: string): Promise<boolean> =>
  stat(path).then(
    () => true,
    () => false,
  );
