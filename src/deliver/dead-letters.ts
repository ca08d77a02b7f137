import {
  closeSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { EMPTY, type Observable } from 'rxjs';
import type { Context } from '../context.ts';
import { isoTime, jsonOf, type Message } from '../message.ts';
import { fileNameOf } from './file-name.ts';
import { errorText } from './retry.ts';

const LF = 0x0a;

/** Messages that a backend will not get, and why. */
export interface Letter {
  readonly backend: string;
  readonly reason: string;
  /** What the backend said. */
  readonly error: string;
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

export interface DeadLetterOptions {
  /** Folder of the files, made when needed: `<backend>.ndjson` and, older, `<backend>.ndjson.1`. */
  readonly dir: string;
  /** Bound of a backend's two files together. */
  readonly maxBytes: number;
}

/**
 * Dead letters as NDJSON that a person can read and the binary can replay. A file is opened for each letter, so that
 * it may be moved, cut or deleted at any time; an incomplete last line is ended first.
 */
export function openDeadLetters(
  { dir, maxBytes }: DeadLetterOptions,
  { scheduler, log }: Pick<Context, 'scheduler' | 'log'>,
): DeadLetters {
  const failing = new Set<string>();
  const counts = { written: 0, dropped: 0, failed: 0 };
  const maxFileBytes = maxBytes / 2;

  const rotate = (path: string) => {
    const older = `${path}.1`;
    const dropped = countLines(older);
    renameSync(path, older);
    counts.dropped += dropped;
    if (dropped > 0) {
      log.warn({ file: older, messages: dropped, max_bytes: maxBytes }, 'Dropped the oldest dead letters');
    }
  };

  const append = (path: string, lines: string) => {
    const bytes = Buffer.from(lines);
    const size = sizeOf(path);
    if (size > 0 && size + bytes.length > maxFileBytes) rotate(path);
    withFile(path, 'a+', (file) => {
      if (!endsWhole(file)) writeFileSync(file, '\n');
      writeFileSync(file, bytes);
    });
  };

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
      let done = 0;
      try {
        mkdirSync(dir, { recursive: true });
        const path = join(dir, `${fileNameOf(backend)}.ndjson`);
        for (const { lines, count } of chunksOf(letter, isoTime(scheduler.now()), maxFileBytes)) {
          append(path, lines);
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
    close: () => EMPTY,
  };
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
  const { backend, reason, error, attempts, config, target } = letter;
  const fields = { dead_at: deadAt, backend, reason, error, attempts, config, target };
  const head = JSON.stringify(fields).slice(0, -1);
  let lines = '';
  let bytes = 0;
  let count = 0;
  for (const message of messages) {
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

function withFile<T>(path: string, flags: string, use: (file: number) => T): T {
  const file = openSync(path, flags, 0o640);
  try {
    return use(file);
  } finally {
    closeSync(file);
  }
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

function endsWhole(file: number): boolean {
  const { size } = fstatSync(file);
  const last = Buffer.alloc(1);
  return size === 0 || readSync(file, last, 0, 1, size - 1) === 0 || last[0] === LF;
}

function countLines(path: string): number {
  if (sizeOf(path) === 0) return 0;
  return withFile(path, 'r', (file) => {
    const chunk = Buffer.alloc(65_536);
    let lines = 0;
    for (let read = readSync(file, chunk); read > 0; read = readSync(file, chunk)) {
      for (let at = chunk.indexOf(LF); at >= 0 && at < read; at = chunk.indexOf(LF, at + 1)) lines++;
    }
    return lines;
  });
}
