import { lstat, open, rename, unlink } from 'node:fs/promises';
import { unless } from './failure.ts';
import { rotatedPath } from './rotated.ts';

/** When a new file is started. */
export interface Rotation {
  readonly max_bytes?: number | undefined;
  readonly every?: 'hour' | 'day' | number | undefined;
}

/** The interval that a time falls in; a file whose interval is over is rotated. 0 where time does not matter. */
export function periodOf({ every }: Rotation, timeMs: number): number {
  if (every === undefined) return 0;
  return Math.floor(timeMs / (every === 'hour' ? 3_600_000 : every === 'day' ? 86_400_000 : every));
}

const MAX_SAME_SECOND = 10_000;

/**
 * Renames a file to a rotated name that nobody else has or gets, also not another process that rotates it at
 * the same moment: the name is first reserved by an empty file. The new path; `undefined` if the file is gone.
 */
export async function moveAside(path: string, timeMs: number): Promise<string | undefined> {
  for (let n = 0; n < MAX_SAME_SECOND; n++) {
    const aside = rotatedPath(path, timeMs, n);
    if (!(await reserve(aside))) continue;
    try {
      await rename(path, aside);
      return aside;
    } catch (error) {
      await unlink(aside).catch(() => undefined);
      return unless('ENOENT')(error);
    }
  }
  throw new Error(`${MAX_SAME_SECOND} files were rotated to '${rotatedPath(path, timeMs, 0)}' in one second`);
}

async function reserve(aside: string): Promise<boolean> {
  const handle = await open(aside, 'wx').catch(unless('EEXIST'));
  if (handle === undefined) return false;
  await handle.close();
  // Asked after reserving: from here on nobody compresses another file to this name.
  if ((await lstat(`${aside}.gz`).catch(unless('ENOENT'))) === undefined) return true;
  await unlink(aside);
  return false;
}
