import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codeOf } from '../../src/deliver/spool/disk.ts';

/** A file system in memory that can be full. */
export interface SmallDisk {
  /** Takes all room that is left. */
  fill(): void;
  free(): void;
  remove(): void;
}

const BLOCK = Buffer.alloc(65_536);

/** Mounts a small file system at a new folder; `undefined` where this user may not. */
export function mountSmallDisk(folder: string): SmallDisk | undefined {
  mkdirSync(folder);
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', folder], {
    stdio: 'ignore',
  });
  if (status !== 0) return undefined;
  const ballast = join(folder, 'ballast');
  const free = () => rmSync(ballast, { force: true });
  return {
    fill: () => {
      for (;;) {
        try {
          writeFileSync(ballast, BLOCK, { flag: 'a' });
        } catch (error) {
          if (codeOf(error) === 'ENOSPC') return;
          throw error;
        }
      }
    },
    free,
    remove: () => void spawnSync('umount', ['-l', folder]),
  };
}
