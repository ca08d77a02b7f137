import { createReadStream } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import ndjson from 'ndjson';
import type { RecentQuery } from '../../deliver/sink.ts';
import type { JsonObject, Message } from '../../message.ts';
import { restored } from '../../restored.ts';

/** Files that are looked at; a folder of more is none that a start should search. */
const MAX_FILES = 10_000;
/** Of a larger compressed file the end is not looked for: its beginning has to be read for it. */
const MAX_INFLATED_BYTES = 256 * 2 ** 20;
const UNFINISHED = /\.tmp$/;

interface Found {
  readonly path: string;
  readonly size: number;
  readonly changedMs: number;
}

/**
 * The messages at the ends of the files below `base`, the last changed files first, until the bytes are used up; of
 * compressed files these are bytes of their text. Lines that are torn and what is no message of ours are passed over,
 * and so is what a compressed file has after the place where it is damaged or cut off.
 */
export async function readRecent(
  base: string,
  { fromMs, toMs, maxBytes }: RecentQuery,
  signal: AbortSignal,
): Promise<readonly Message[]> {
  const files = await filesBelow(base, fromMs, signal);
  const messages: Message[] = [];
  let leftBytes = maxBytes;
  for (const { path, size } of files) {
    if (leftBytes <= 0) break;
    const isCompressed = path.endsWith('.gz');
    const inflated = isCompressed ? await endOf(path, leftBytes, signal) : undefined;
    const bytes = inflated?.length ?? Math.min(size, leftBytes);
    leftBytes -= bytes;
    const end =
      inflated === undefined
        ? createReadStream(path, { start: size - bytes, end: size - 1 })
        : Readable.from([inflated]);
    for (const message of await messagesIn(end, signal)) {
      if (message.receivedMs >= fromMs && message.receivedMs < toMs) messages.push(message);
    }
  }
  return messages;
}

/** The last `most` bytes of what a compressed file has, as far as it can be read. */
async function endOf(path: string, most: number, signal: AbortSignal): Promise<Buffer> {
  const kept: Buffer[] = [];
  let bytes = 0;
  let inflatedBytes = 0;
  try {
    await pipeline(
      createReadStream(path),
      createGunzip(),
      async (chunks: AsyncIterable<Buffer>) => {
        for await (const chunk of chunks) {
          kept.push(chunk);
          bytes += chunk.length;
          inflatedBytes += chunk.length;
          while (bytes - (kept[0] as Buffer).length >= most) bytes -= (kept.shift() as Buffer).length;
          if (inflatedBytes > MAX_INFLATED_BYTES) break;
        }
      },
      { signal },
    );
  } catch {
    // Damaged, cut off, or gone: what was read counts.
    signal.throwIfAborted();
  }
  return Buffer.concat(kept).subarray(Math.max(0, bytes - most));
}

async function filesBelow(base: string, fromMs: number, signal: AbortSignal): Promise<readonly Found[]> {
  const found: Found[] = [];
  const entries = await readdir(base, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !UNFINISHED.test(entry.name));
  for (const entry of files.slice(0, MAX_FILES)) {
    signal.throwIfAborted();
    const path = join(entry.parentPath, entry.name);
    // Rotation may have taken it meanwhile.
    const stats = await lstat(path).catch(() => undefined);
    if (stats?.isFile() && stats.size > 0 && stats.mtimeMs >= fromMs) {
      found.push({ path, size: stats.size, changedMs: stats.mtimeMs });
    }
  }
  return found.sort((a, b) => b.changedMs - a.changedMs);
}

/** Of lines; the first may have begun before them, and is then none. */
async function messagesIn(bytes: Readable, signal: AbortSignal): Promise<Message[]> {
  const messages: Message[] = [];
  const rows = ndjson.parse({ strict: false });
  const lines = Readable.from(withoutNulls(bytes, signal)).on('error', (error) => rows.destroy(error));
  try {
    for await (const row of lines.pipe(rows)) {
      const message = typeof row === 'object' && row !== null ? restored(row as JsonObject) : undefined;
      if (message !== undefined) messages.push(message);
    }
  } catch (error) {
    signal.throwIfAborted();
    // Rotation may have taken it meanwhile; what was read counts.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
  return messages;
}

const NULL_LINE = /null(?<=(?:^|\n)[ \t\r]*null)(?=[ \t\r]*(?:\n|$))/g;

/**
 * Empties lines that are `null`: a stream of rows would end with one. The signal is asked here, as a stream that is given
 * it fails at once, before anybody listens, and that would end the process.
 */
async function* withoutNulls(chunk$: AsyncIterable<Buffer>, signal: AbortSignal): AsyncGenerator<Buffer> {
  const emptied = (lines: string) => Buffer.from(lines.replace(NULL_LINE, ''), 'latin1');
  let rest = '';
  for await (const chunk of chunk$) {
    signal.throwIfAborted();
    const text = rest + chunk.toString('latin1');
    const end = text.lastIndexOf('\n') + 1;
    rest = text.slice(end);
    yield emptied(text.slice(0, end));
  }
  yield emptied(rest);
}
