import type { BigIntStats } from 'node:fs';
import { type FileHandle, stat } from 'node:fs/promises';
import { Permanent } from '../../deliver/sink.ts';
import { unless } from './failure.ts';
import { type Folder, resolveInside } from './folder.ts';
import { periodOf, type Rotation } from './rotation.ts';
import { endsTorn, openAppend } from './tail.ts';

/** How files are kept. */
export interface FilePolicy {
  readonly folder: Folder;
  /** Permissions of new files. */
  readonly mode: number;
  /** An interval in milliseconds, or at no time, or with every append. */
  readonly fsync: 'never' | 'batch' | number;
  /** Absent: never. */
  readonly rotation: Rotation | undefined;
}

/** A file that is open for appending. */
export interface OpenFile {
  /** Where it really is, links resolved. */
  readonly path: string;
  readonly handle: FileHandle;
  readonly dev: bigint;
  readonly ino: bigint;
  /** The rotation interval that its content belongs to. */
  readonly period: number;
  /** When it was opened. */
  readonly size: number;
  /** It ended within a line; the next append starts with a newline. */
  readonly torn: boolean;
}

/** Opens `path` inside the policy's folder. `Permanent` for what is not a regular file or lies outside. */
export async function openFile(path: string, policy: FilePolicy, nowMs: number): Promise<OpenFile> {
  const real = await resolveInside(path, policy.folder);
  const handle = await openAppend(real, policy.mode);
  try {
    const stats = await handle.stat({ bigint: true });
    if (!stats.isFile()) throw new Permanent(`'${path}' is not a regular file`, { scope: 'batch' });
    const size = Number(stats.size);
    return {
      path: real,
      handle,
      dev: stats.dev,
      ino: stats.ino,
      period: policy.rotation ? periodOf(policy.rotation, lastWriteMs(stats, nowMs)) : 0,
      size,
      torn: await endsTorn(handle, size),
    };
  } catch (error) {
    await handle.close().catch(() => undefined);
    throw error;
  }
}

function lastWriteMs(stats: BigIntStats, nowMs: number): number {
  return stats.size === 0n ? nowMs : Math.min(nowMs, Number(stats.mtimeMs));
}

/** The size that `path` has now; `undefined` if another file stands there, or none. */
export async function sizeAt(path: string, { dev, ino }: OpenFile): Promise<number | undefined> {
  const there = await stat(path, { bigint: true }).catch(unless('ENOENT', 'ENOTDIR'));
  return there?.dev === dev && there.ino === ino ? Number(there.size) : undefined;
}
