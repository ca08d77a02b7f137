import { spawnSync } from 'node:child_process';
import { test } from '@jest/globals';

const mount = (...args: readonly string[]) => spawnSync('mount', ['-t', 'tmpfs', ...args]).status === 0;

const canMount = (() => {
  const at = spawnSync('mktemp', ['-d']).stdout.toString().trim();
  const isMounted = mount('-o', 'size=64k', 'tmpfs', at);
  if (isMounted) spawnSync('umount', [at]);
  spawnSync('rmdir', [at]);
  return isMounted;
})();

const mounted: string[] = [];

/** Needs a file system of its own, which only a superuser may mount. */
export const onSmallDisk = canMount ? test : test.skip;

/** Puts a disk of this size (`64k`) in the place of a folder. */
export function mountDisk(dir: string, size: string): void {
  if (!mount('-o', `size=${size}`, 'tmpfs', dir)) throw new Error(`mount ${dir}`);
  mounted.push(dir);
}

/** Gives a disk another size. */
export function resizeDisk(dir: string, size: string): void {
  if (!mount('-o', `remount,size=${size}`, 'tmpfs', dir)) throw new Error(`remount ${dir}`);
}

/** Takes all of them away, in use or not. */
export function unmountDisks(): void {
  for (const dir of mounted.splice(0)) spawnSync('umount', ['-l', dir]);
}
