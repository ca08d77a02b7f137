import { renameSync } from 'node:fs';
import { join } from 'node:path';
import { EMPTY, type Observable, timer } from 'rxjs';
import type { Context } from '../context.ts';
import { makeFoldersSync } from '../folders.ts';
import { isoTime, jsonOf, type Message } from '../message.ts';
import { fileNameOf } from './file-name.ts';
import { appendLines, countLines, letterFiles, removeLines, sizeOf, startOf } from './letter-files.ts';
import { errorText } from './retry.ts';

/** Messages that a backend will not get, and why. */
export interface Letter {
  readonly backend: string;
  readonly reason: string;
  /** What the backend said, of all of them, or what went wrong with each. */
  readonly error: string | readonly string[];
  /** Sends that carried these messages. */
  readonly attempts: number;
  /** Names the configuration in force. */
  readonly config: string;
  /** The target's key. */
  readonly target: string;
  readonly messages: readonly Message[];
}

/** Counts of messages since the start. */
export interface DeadLetterStats {
  readonly written: number;
  /** Dropped to make room for newer ones. */
  readonly dropped: number;
  /** Not written, because the disk refused. */
  readonly failed: number;
}

export interface DeadLetters {
  /** Keeps one line a message, on disk when it returns. False if that failed; never throws. */
  write(letter: Letter): boolean;
  stats(): DeadLetterStats;
  close(): Observable<never>;
}

/** How much of a backend's dead letters is kept, and for how long. */
export interface LetterBounds {
  /** Bound of its two files together. */
  readonly maxBytes: number;
  readonly maxAgeMs: number;
}

export interface DeadLetterOptions {
  /** Folder of the files, made when needed: `<backend>.ndjson` and, older, `<backend>.ndjson.1`. */
  readonly dir: string;
  /** Asked for each letter; `undefined`: none of this backend are kept. */
  readonly boundsOf: (backend: string) => LetterBounds | undefined;
}

/** How often letters that are too old are looked for. */
const SWEEP_MS = 3_600_000;

/**
 * Dead letters as NDJSON that a person can read and the binary can replay. A file is opened for each letter, so that
 * it may be moved, cut or deleted at any time; an incomplete last line is ended first.
 */
export function openDeadLetters(
  { dir, boundsOf }: DeadLetterOptions,
  { scheduler, log }: Pick<Context, 'scheduler' | 'log'>,
): DeadLetters {
  const failing = new Set<string>();
  const counts = { written: 0, dropped: 0, failed: 0 };

  const rotate = (path: string, maxBytes: number) => {
    const older = `${path}.1`;
    const dropped = countLines(older);
    renameSync(path, older);
    counts.dropped += dropped;
    if (dropped > 0) {
      log.warn({ file: older, messages: dropped, max_bytes: maxBytes }, 'Dropped the oldest dead letters');
    }
  };

  const append = (path: string, lines: string, maxBytes: number) => {
    const bytes = Buffer.from(lines);
    const size = sizeOf(path);
    if (size > 0 && size + bytes.length > maxBytes / 2) rotate(path, maxBytes);
    appendLines(path, bytes);
  };

  const sweep = () => {
    try {
      const dropped = dropExpired(dir, boundsOf, scheduler.now());
      counts.dropped += dropped;
      if (dropped > 0) log.info({ dir, messages: dropped }, 'Dropped dead letters that were too old');
    } catch (error) {
      log.warn({ dir, error: errorText(error) }, 'Old dead letters cannot be dropped');
    }
  };
  const sweeping = timer(0, SWEEP_MS, scheduler).subscribe(sweep);

  const settled = (backend: string, error?: unknown) => {
    if (error === undefined) {
      if (failing.delete(backend)) log.info({ backend }, 'Dead letters are written again');
    } else if (!failing.has(backend)) {
      failing.add(backend);
      log.error({ backend, dir, error: errorText(error) }, 'Dead letters cannot be written and are lost');
    }
  };

  return {
    write: (letter) => {
      const { backend, messages } = letter;
      const bounds = boundsOf(backend);
      if (bounds === undefined) return false;
      let done = 0;
      try {
        makeFoldersSync(dir);
        const path = join(dir, `${fileNameOf(backend)}.ndjson`);
        for (const { lines, count } of chunksOf(letter, isoTime(scheduler.now()), bounds.maxBytes / 2)) {
          append(path, lines, bounds.maxBytes);
          done += count;
        }
        settled(backend);
      } catch (error) {
        settled(backend, error);
      }
      counts.written += done;
      counts.failed += messages.length - done;
      return done === messages.length;
    },
    stats: () => ({ ...counts }),
    close: () => {
      sweeping.unsubscribe();
      return EMPTY;
    },
  };
}

/** Where `dead_at` is in a letter's line, and how long it is. */
const DEAD_AT = '{"dead_at":"'.length;
const TIME_LENGTH = 24;
const LETTER = /^\{"dead_at":"\d{4}-[\dT:.-]{18}Z"/;
const START_BYTES = 4096;

/** Drops the letters that are too old, of files that begin with one; returns how many. */
function dropExpired(dir: string, boundsOf: DeadLetterOptions['boundsOf'], nowMs: number): number {
  let dropped = 0;
  for (const path of letterFiles(dir)) {
    const start = startOf(path, START_BYTES);
    const backend = /"backend":"([^"\\]*)"/.exec(start)?.[1] ?? '';
    const limit = isoTime(Math.max(0, nowMs - (boundsOf(backend)?.maxAgeMs ?? nowMs)));
    const isExpired = (line: string) =>
      LETTER.test(line) && line.slice(DEAD_AT, DEAD_AT + TIME_LENGTH) < limit;
    if (isExpired(start)) dropped += removeLines(path, isExpired);
  }
  return dropped;
}

/** Dead letters that stay in memory, for tests. */
export function memoryDeadLetters(): DeadLetters & { readonly letters: readonly Letter[] } {
  const letters: Letter[] = [];
  return {
    letters,
    write: (letter) => letters.push(letter) > 0,
    stats: () => {
      const written = letters.reduce((sum, { messages }) => sum + messages.length, 0);
      return { written, dropped: 0, failed: 0 };
    },
    close: () => EMPTY,
  };
}

/** The letter's lines in pieces that fit a file; a longer line stands alone. */
function* chunksOf({ messages, ...letter }: Letter, deadAt: string, maxBytes: number) {
  const { backend, reason, attempts, config, target } = letter;
  const headWith = (error = '') => {
    const fields = { dead_at: deadAt, backend, reason, error, attempts, config, target };
    return JSON.stringify(fields).slice(0, -1);
  };
  const common = typeof letter.error === 'string' ? headWith(letter.error) : undefined;
  let lines = '';
  let bytes = 0;
  let count = 0;
  for (const [at, message] of messages.entries()) {
    const head = common ?? headWith(letter.error[at]);
    // The record is spliced in as text: it stays as its sender wrote it, digit for digit.
    const line = `${head},"record":${jsonOf(message)}}\n`;
    const lineBytes = Buffer.byteLength(line);
    if (count > 0 && bytes + lineBytes > maxBytes) {
      yield { lines, count };
      lines = '';
      bytes = 0;
      count = 0;
    }
    lines += line;
    bytes += lineBytes;
    count++;
  }
  yield { lines, count };
}
