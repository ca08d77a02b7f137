import { basename, dirname, join } from 'node:path';
import type { Subscription } from 'rxjs';
import type { SinkContext } from '../../deliver/sink.ts';
import { GRACE_MS, type TidyOptions, tidy } from './tidy.ts';

/** Compresses and deletes rotated files, in the background. All it goes by is what the folders list. */
export interface Upkeep {
  /** A file was opened: what an earlier run left undone for it is done. */
  opened(path: string): void;
  /** A file was rotated. */
  rotated(path: string): void;
  /** Stops; what is left is done when its file is next opened. */
  close(): Promise<void>;
}

const MAX_SEEN = 65_536;

/** Keeps the rotated files of a backend tidy, in the background. */
export function upkeep(options: TidyOptions, context: SinkContext): Upkeep {
  const { scheduler, log, backend, random } = context;
  const stop = new AbortController();
  const { signal } = stop;
  const seen = new Set<string>();
  let due = new Map<string, Set<string>>();
  let timer: Subscription | undefined;
  let running = Promise.resolve();

  const request = (path: string) => {
    const names = due.get(dirname(path)) ?? new Set();
    due.set(dirname(path), names.add(basename(path)));
    if (!signal.aborted) timer ??= scheduler.schedule(start, GRACE_MS);
  };

  const start = () => {
    const folders = due;
    due = new Map();
    timer = undefined;
    running = running.then(() => tidyAll(folders));
  };

  const tidyAll = async (folders: ReadonlyMap<string, ReadonlySet<string>>) => {
    for (const [folder, names] of folders) {
      if (signal.aborted) return;
      try {
        const later = await tidy(folder, names, options, { nowMs: scheduler.now(), random, signal });
        for (const name of later) request(join(folder, name));
      } catch (error) {
        if (!signal.aborted) log.warn({ backend, folder, err: error }, 'rotated files cannot be tidied up');
      }
    }
  };

  return {
    opened: (path) => {
      if (seen.has(path)) return;
      if (seen.size >= MAX_SEEN) seen.clear();
      seen.add(path);
      request(path);
    },
    rotated: request,
    close: async () => {
      stop.abort();
      timer?.unsubscribe();
      await running;
    },
  };
}
