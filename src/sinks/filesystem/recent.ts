import { createReadStream } from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import ndjson from 'ndjson';
import type { RecentQuery } from '../../deliver/sink.ts';
import type { JsonObject, Message } from '../../message.ts';
import { restored } from '../../restored.ts';

/** Files that are looked at; a folder of more is none that a start should search. */
const MAX_FILES = 10_000;
const COMPRESSED = /\.(gz|tmp)$/;

interface Found {
  readonly path: string;
  readonly size: number;
  readonly changedMs: number;
}

/**
 * The messages at the ends of the files below `base`, the last changed files first, until the bytes are used up.
 * Compressed files, lines that are torn and what is no message of ours are passed over.
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
    const start = Math.max(0, size - leftBytes);
    leftBytes -= size - start;
    for (const message of await readEnd(path, start, size, signal)) {
      if (message.receivedMs >= fromMs && message.receivedMs < toMs) messages.push(message);
    }
  }
  return messages;
}

async function filesBelow(base: string, fromMs: number, signal: AbortSignal): Promise<readonly Found[]> {
  const found: Found[] = [];
  const entries = await readdir(base, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile() && !COMPRESSED.test(entry.name));
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

/** From `start` to `size`; the first line may have begun before, and is then none. */
async function readEnd(path: string, start: number, size: number, signal: AbortSignal): Promise<Message[]> {
  const messages: Message[] = [];
  const bytes = createReadStream(path, { start, end: size - 1, signal });
  const rows = ndjson.parse({ strict: false });
  bytes.on('error', (error) => rows.destroy(error));
  try {
    for await (const row of bytes.pipe(rows)) {
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
