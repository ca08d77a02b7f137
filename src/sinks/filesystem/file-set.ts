import type { Receipt, SinkContext } from '../../deliver/sink.ts';
import type { Abort } from '../tasks/abortable.ts';
import { turns } from '../tasks/turns.ts';
import { type LogFile, logFile, type Surroundings } from './log-file.ts';
import type { Rotation } from './rotation.ts';
import { upkeep } from './upkeep.ts';

/** What the set reads of the backend's options. */
export interface FileSetOptions {
  /** Absolute. */
  readonly base: string;
  readonly create_base_path: boolean;
  readonly mode: string;
  readonly fsync: 'never' | 'batch' | number;
  readonly max_open_files: number;
  readonly rotate?: (Rotation & { readonly gzip: boolean; readonly keep?: number | undefined }) | undefined;
}

/** The files of a backend. */
export interface FileSet {
  /** As `LogFile.append`, to the file at an absolute path. */
  append(path: string, lines: readonly Buffer[], abort: Pick<Abort, 'aborted'>): Promise<Receipt | undefined>;
  /** Waits for all that runs, then closes all. */
  close(): Promise<void>;
}

/** A hanging NFS mount keeps the threads of its calls; other backends and the spool need some of Node's four. */
const MAX_DISK_CALLS = 2;

/** Files are opened when they are needed; of those that are idle the least recently used are closed. */
export function fileSet(options: FileSetOptions, context: SinkContext): FileSet {
  const files = new Map<string, LogFile>();
  const closing = new Set<Promise<void>>();
  const surroundings = surroundingsOf(options, context);

  const close = (path: string, file: LogFile) => {
    files.delete(path);
    const closed = file.close().finally(() => closing.delete(closed));
    closing.add(closed);
  };

  const use = (path: string): LogFile => {
    const file = files.get(path) ?? logFile(path, surroundings);
    // The order counts only where files have to be closed. A map that is reordered by each use leaves a trail of old
    // tables, and V8 keeps what was in them until its next full collection.
    if (files.size >= options.max_open_files) files.delete(path);
    files.set(path, file);
    return file;
  };

  const closeIdle = () => {
    if (files.size <= options.max_open_files) return;
    for (const [path, file] of files) {
      if (file.idle()) close(path, file);
      if (files.size <= options.max_open_files) return;
    }
  };

  return {
    append: (path, lines, abort) => {
      const appended = use(path).append(lines, abort);
      closeIdle();
      return appended;
    },
    close: async () => {
      for (const [path, file] of files) close(path, file);
      await Promise.all(closing);
      await surroundings.upkeep?.close();
    },
  };
}

function surroundingsOf(options: FileSetOptions, context: SinkContext): Surroundings {
  const { base, create_base_path: createBase, fsync, rotate: rotation } = options;
  const mode = Number.parseInt(options.mode, 8);
  return {
    // Whoever may read a file may enter its folder.
    policy: { folder: { base, createBase, mode: mode | ((mode & 0o444) >> 2) }, mode, fsync, rotation },
    context,
    disk: turns(MAX_DISK_CALLS),
    upkeep: rotation && (rotation.gzip || rotation.keep) ? upkeep(rotation, context) : undefined,
  };
}
