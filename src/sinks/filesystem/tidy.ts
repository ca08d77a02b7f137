import { lstat, readdir, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import { compress } from './compress.ts';
import { unless } from './failure.ts';
import { type Rotated, rotatedOf } from './rotated.ts';

/** What becomes of rotated files. */
export interface TidyOptions {
  readonly gzip: boolean;
  /** Rotated files kept of each file; absent: all. */
  readonly keep?: number | undefined;
}

/** A rotated file is left alone for so long: another process may still be writing its last batch to it. */
export const GRACE_MS = 5_000;
/** A temporary file that was not written for so long belongs to nobody. */
const STALE_MS = 600_000;

export interface Surroundings {
  readonly nowMs: number;
  readonly random: () => number;
  readonly signal: AbortSignal;
}

/**
 * Deletes and compresses the rotated files of `names` in a folder, as a crash, another process or an earlier
 * call left them. Returns the names that must be looked at again later.
 */
export async function tidy(
  folder: string,
  names: ReadonlySet<string>,
  { gzip, keep }: TidyOptions,
  around: Surroundings,
): Promise<ReadonlySet<string>> {
  const later = new Set<string>();
  for (const all of rotatedByName(await readdir(folder), names).values()) {
    for (const rotated of await prune(folder, all, keep)) {
      if (around.signal.aborted) return later;
      if (!(await finish(folder, rotated, gzip, around))) later.add(rotated.name);
    }
  }
  return later;
}

function rotatedByName(entries: readonly string[], names: ReadonlySet<string>): Map<string, Rotated[]> {
  const found = new Map<string, Rotated[]>();
  for (const entry of entries) {
    const rotated = rotatedOf(entry);
    if (rotated === undefined || !names.has(rotated.name)) continue;
    const group = found.get(rotated.name);
    if (group === undefined) found.set(rotated.name, [rotated]);
    else group.push(rotated);
  }
  return found;
}

/** Deletes the oldest beyond `keep`; returns the others. A file's plain and compressed form count once. */
async function prune(folder: string, all: Rotated[], keep: number | undefined): Promise<readonly Rotated[]> {
  if (keep === undefined) return all;
  const turnOf = ({ timeMs, n }: Rotated) => `${timeMs}-${n}`;
  const newest = all.toSorted((a, b) => b.timeMs - a.timeMs || b.n - a.n);
  const kept = new Set([...new Set(newest.map(turnOf))].slice(0, keep));
  for (const rotated of all) {
    if (!kept.has(turnOf(rotated))) await unlink(join(folder, rotated.entry)).catch(unless('ENOENT'));
  }
  return all.filter((rotated) => kept.has(turnOf(rotated)));
}

/** False if it is too early. */
async function finish(
  folder: string,
  rotated: Rotated,
  gzip: boolean,
  around: Surroundings,
): Promise<boolean> {
  const path = join(folder, rotated.entry);
  const ageMs = around.nowMs - rotated.timeMs;
  if (rotated.form === 'gzip') return true;
  if (ageMs >= 0 && ageMs < GRACE_MS) return false;
  const stats = await lstat(path).catch(unless('ENOENT'));
  if (stats === undefined || !stats.isFile()) return true;
  if (rotated.form === 'temporary') {
    if (around.nowMs - stats.mtimeMs > STALE_MS) await unlink(path).catch(unless('ENOENT'));
  } else if (stats.size === 0) {
    // A name that was reserved by a process that died before it renamed.
    await unlink(path).catch(unless('ENOENT'));
  } else if (gzip) return compress(path, temporaryOf(path, around.random), around.signal);
  return true;
}

const temporaryOf = (path: string, random: () => number) =>
  `${path}.gz.${Math.floor(random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0')}.tmp`;
