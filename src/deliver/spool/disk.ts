import type { FileHandle } from 'node:fs/promises';
import { open, readdir, readFile, rename, rm, stat, truncate, utimes } from 'node:fs/promises';
import { makeFolders } from '../../folders.ts';

/** A file that is being written. */
export interface SpoolFile {
  /** Writes all of it at `position`, or rejects. */
  write(bytes: readonly Buffer[], position: number): Promise<void>;
  /** Resolves once what was written would survive a power cut. */
  sync(): Promise<void>;
  /** Takes away what lies beyond `length`. */
  cut(length: number): Promise<void>;
  /** Whether its name still leads to it. */
  isThere(): Promise<boolean>;
  close(): Promise<void>;
}

/** All that the spool needs of a file system. Rejects with Node's errors. */
export interface SpoolDisk {
  /** Names in a folder; none if it does not exist. */
  list(dir: string): Promise<readonly string[]>;
  makeDir(dir: string): Promise<void>;
  /** Makes a new file; rejects with EEXIST if there is one. */
  create(path: string): Promise<SpoolFile>;
  /** From `from` up to `to`, or what there is of it. */
  read(path: string, from: number, to: number): Promise<Buffer>;
  /** Puts a file with this content in place of another, never a part of it. */
  replace(path: string, bytes: Buffer): Promise<void>;
  /** Takes away what lies beyond `length` of a file. */
  cut(path: string, length: number): Promise<void>;
  /** Removes a file; no matter if there is none. */
  remove(path: string): Promise<void>;
  /** Resolves once names in a folder would survive a power cut. */
  syncDir(dir: string): Promise<void>;
  /** Sets the time of a file's last change. */
  touch(path: string, ms: number): Promise<void>;
  /** The time of a file's last change. */
  touchedMs(path: string): Promise<number>;
}

/** The real file system. */
export const realDisk: SpoolDisk = {
  list: async (dir) => {
    try {
      return await readdir(dir);
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return [];
      throw error;
    }
  },
  makeDir: (dir) => makeFolders(dir, 0o750),
  create: async (path) => spoolFile(await open(path, 'wx', 0o640)),
  read: async (path, from, to) => {
    const file = await open(path, 'r');
    try {
      const end = Math.min(to, (await file.stat()).size);
      const bytes = Buffer.allocUnsafeSlow(Math.max(0, end - from));
      return bytes.subarray(0, await fill(file, bytes, from));
    } finally {
      await file.close();
    }
  },
  replace: async (path, bytes) => {
    const draft = `${path}.new`;
    const file = await open(draft, 'w', 0o640);
    try {
      await file.writeFile(bytes);
    } finally {
      await file.close();
    }
    await rename(draft, path);
  },
  cut: (path, length) => truncate(path, length),
  remove: (path) => rm(path, { force: true }),
  syncDir: async (dir) => {
    const folder = await open(dir, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  },
  touch: (path, ms) => utimes(path, ms / 1000, ms / 1000),
  touchedMs: async (path) => (await stat(path)).mtimeMs,
};

/** The code of a system error, such as ENOENT; `''` for any other. */
export function codeOf(error: unknown): string {
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : '';
  return typeof code === 'string' ? code : '';
}

/** A small file of the system; `''` where there is none. */
export const readSystemFile = (path: string): Promise<string> => readFile(path, 'utf8').catch(() => '');

function spoolFile(file: FileHandle): SpoolFile {
  return {
    write: async (buffers, position) => {
      let at = position;
      let left = buffers;
      while (left.length > 0) {
        const { bytesWritten } = await file.writev(left as Buffer[], at);
        at += bytesWritten;
        left = without(left, bytesWritten);
      }
    },
    sync: () => file.datasync(),
    cut: (length) => file.truncate(length),
    isThere: async () => (await file.stat()).nlink > 0,
    close: () => file.close(),
  };
}

/** What is left of the buffers after the first `count` bytes. */
function without(buffers: readonly Buffer[], count: number): readonly Buffer[] {
  let left = count;
  for (const [index, buffer] of buffers.entries()) {
    if (left < buffer.length) return [buffer.subarray(left), ...buffers.slice(index + 1)];
    left -= buffer.length;
  }
  return [];
}

async function fill(file: FileHandle, bytes: Buffer, from: number): Promise<number> {
  let filled = 0;
  while (filled < bytes.length) {
    const { bytesRead } = await file.read(bytes, filled, bytes.length - filled, from + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}
