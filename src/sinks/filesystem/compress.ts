import { constants as files } from 'node:fs';
import { type FileHandle, open, rename, unlink, writeFile } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';

/** Fewer, larger steps between the reading, compressing and writing threads. */
const CHUNK_BYTES = 256 * 1024;

/**
 * Replaces a file that is no longer written by `<path>.gz`. That name only ever holds the whole, and `path` goes
 * last, so that it can be repeated after a crash at any point. False, with nothing changed, if the file grew.
 */
export async function compress(path: string, temporary: string, signal: AbortSignal): Promise<boolean> {
  try {
    if (!(await compressTo(path, temporary, signal))) return false;
    await rename(temporary, `${path}.gz`);
    await unlink(path);
    return true;
  } finally {
    await unlink(temporary).catch(() => undefined);
  }
}

async function compressTo(path: string, temporary: string, signal: AbortSignal): Promise<boolean> {
  const source = await open(path, files.O_RDONLY | files.O_NOFOLLOW);
  try {
    const { mode, atime, mtime, size } = await source.stat();
    const target = await open(temporary, 'wx', mode & 0o777);
    try {
      await pipeline(
        chunksOf(source),
        createGzip({ chunkSize: CHUNK_BYTES }),
        (chunks) => writeFile(target, chunks),
        { signal },
      );
      await target.utimes(atime, mtime);
      await target.sync();
    } finally {
      await target.close();
    }
    return (await source.stat()).size === size;
  } finally {
    await source.close();
  }
}

async function* chunksOf(source: FileHandle): AsyncGenerator<Buffer> {
  for (;;) {
    const { bytesRead, buffer } = await source.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
  }
}
