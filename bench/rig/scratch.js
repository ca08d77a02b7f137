import { accessSync, constants, mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** @type {Set<string>} */
const folders = new Set();
process.on('exit', () => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/**
 * A new folder for output, removed when this process exits: in memory (/dev/shm) where that has `needBytes` twice
 * over, so that no disk is measured; else, or if `onDisk`, in the system's folder for temporary files.
 * @param {number} needBytes
 * @param {{ onDisk?: boolean }} [options]
 */
export function createScratch(needBytes, { onDisk = false } = {}) {
  const base = [process.env.BENCH_DIR, onDisk ? undefined : '/dev/shm', tmpdir()].find(
    (path) => path && hasRoom(path, needBytes * 2),
  );
  if (base === undefined)
    throw new Error(`no folder with ${needBytes * 2} bytes free; name one in BENCH_DIR`);
  const folder = mkdtempSync(join(base, 'sidecar-bench-'));
  folders.add(folder);
  return folder;
}

/** Removes a folder made by `createScratch` before the process ends. */
export function removeScratch(/** @type {string} */ folder) {
  rmSync(folder, { recursive: true, force: true });
  folders.delete(folder);
}

function hasRoom(/** @type {string} */ path, /** @type {number} */ bytes) {
  try {
    accessSync(path, constants.W_OK);
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize >= bytes;
  } catch {
    return false;
  }
}
