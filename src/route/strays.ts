import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Context } from '../context.ts';
import { faultOf } from './operator-run.ts';

/** One line a file in this time: an operator may fail so with every message. */
const WARN_EVERY_MS = 60_000;

/**
 * Takes errors that an operator lets go outside its stream, in a timer or a promise of its own: they cost a log line,
 * not the process. False for an error of anybody else. `own` is the folder of the sidecar's code.
 */
export function createStrays({ log, scheduler }: Pick<Context, 'log' | 'scheduler'>, own: string) {
  const warnedMs = new Map<string, number>();
  return (error: unknown): boolean => {
    const file = fileOf(error, own);
    if (file === '') return false;
    const nowMs = scheduler.now();
    if (Math.abs(nowMs - (warnedMs.get(file) ?? Number.NEGATIVE_INFINITY)) < WARN_EVERY_MS) return true;
    warnedMs.set(file, nowMs);
    log.error(
      { file, error: faultOf(error) },
      `operator ${file} failed in a timer or promise of its own; nothing stops`,
    );
    return true;
  };
}

/** A frame of a stack that is in a file. */
const FRAME = /^ {4}at (?:.* \()?(?:async )?((?:file:\/\/)?\/[^\n]*?):\d+:\d+\)?$/gm;

/** Where the error comes from: the first file of its stack that is no library's; '' if that is the sidecar's. */
function fileOf(error: unknown, own: string): string {
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  for (const [, place = ''] of stack.matchAll(FRAME)) {
    const path = place.startsWith('file:') ? fileURLToPath(place) : place;
    // What operators call of ours is in one file.
    if (path === join(own, 'message.js')) continue;
    if (path.startsWith(own)) return '';
    if (!path.includes('/node_modules/')) return path;
  }
  return '';
}
