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

interface Used {
  readonly file: LogFile;
  /** Which of all uses was its last. */
  nth: number;
}

/** A hanging NFS mount keeps the threads of its calls; other backends and the spool need some of Node's four. */
const MAX_DISK_CALLS = 2;

/** Files are opened when they are needed; of those that are idle the least recently used are closed. */
export function fileSet(options: FileSetOptions, context: SinkContext): FileSet {
  const files = new Map<string, Used>();
  let uses = 0;
  const closing = new Set<Promise<void>>();
  const surroundings = surroundingsOf(options, context);

  const close = (path: string, file: LogFile) => {
    files.delete(path);
    const closed = file.close().finally(() => closing.delete(closed));
    closing.add(closed);
  };

  /** A map that is reordered by each use would leave its old tables, and all that was young then, to a full collection. */
  const use = (path: string): LogFile => {
    let used = files.get(path);
    if (used === undefined) {
      used = { file: logFile(path, surroundings), nth: 0 };
      files.set(path, used);
    }
    used.nth = ++uses;
    return used.file;
  };

  const closeIdle = () => {
    if (files.size <= options.max_open_files) return;
    const idle = [...files].filter(([, { file }]) => file.idle()).sort(([, a], [, b]) => a.nth - b.nth);
    for (const [path, { file }] of idle.slice(0, files.size - options.max_open_files)) close(path, file);
  };

  return {
    append: (path, lines, abort) => {
      const appended = use(path).append(lines, abort);
      closeIdle();
      return appended;
    },
    close: async () => {
      for (const [path, { file }] of files) close(path, file);
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
