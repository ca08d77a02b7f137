import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { VirtualTimeScheduler } from 'rxjs';
import { idsOf, sinkContext } from './support.ts';

/** When the clock starts. */
export const START = Date.UTC(2025, 9, 20, 10, 30, 45);
export const HOUR = 3_600_000;

/** A clock that stands still but for `advance`. */
export function createClock(startMs = START) {
  const scheduler = new VirtualTimeScheduler();
  scheduler.frame = startMs;
  return {
    context: sinkContext(scheduler),
    scheduler,
    advance: (ms: number) => {
      scheduler.frame += ms;
    },
    /** Runs what is scheduled, for whatever time. */
    flush: () => {
      const beforeMs = scheduler.frame;
      scheduler.flush();
      scheduler.frame = Math.max(scheduler.frame, beforeMs);
    },
  };
}

/** The names in a folder, sorted. */
export const list = async (dir: string) => (await readdir(dir)).sort();

/** All ids in a folder's files, compressed or not. */
export async function allIds(dir: string): Promise<string[]> {
  const found = await Promise.all(
    (await list(dir)).map(async (name) => {
      const bytes = await readFile(join(dir, name));
      return idsOf((name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString());
    }),
  );
  return found.flat();
}
