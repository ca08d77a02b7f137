import { spawnSync } from 'node:child_process';
import { appendFile, type FileHandle, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { ndjsonOf } from '../../src/batch.ts';
import { Permanent } from '../../src/deliver/sink.ts';
import { appendAll } from '../../src/sinks/filesystem/tail.ts';
import { mountDisk, onSmallDisk, unmountDisks } from '../small-disk.ts';
import { failure, handles } from './handles.ts';
import { afterwards, batch, close, ids, idsIn, openFiles, send, tempDir } from './support.ts';

async function smallDisk(size: string): Promise<string> {
  const dir = join(await tempDir(), 'disk');
  await mkdir(dir);
  mountDisk(dir, size);
  afterwards(unmountDisks);
  return dir;
}

describe('a full disk', () => {
  onSmallDisk('takes whole batches or nothing; with room again the batch is delivered once', async () => {
    const dir = await smallDisk('64k');
    const path = join(dir, 'web.jsonl');
    await writeFile(join(dir, 'ballast'), Buffer.alloc(30_000));
    const sink = openFiles(dir);
    const first = batch(50);
    await send(sink, first);
    const second = batch(300);
    expect(ndjsonOf(second).length).toBeGreaterThan(30_000);
    for (let attempt = 0; attempt < 3; attempt++) {
      const sending = send(sink, second);
      await expect(sending).rejects.toThrow(/ENOSPC.*web\.jsonl/);
      await expect(sending).rejects.not.toBeInstanceOf(Permanent);
      expect(await idsIn(path)).toEqual(ids(first));
    }
    await rm(join(dir, 'ballast'));
    await send(sink, second);
    expect(await idsIn(path)).toEqual(ids(first, second));
  });

  onSmallDisk('that has no room for a new file is waited for', async () => {
    const dir = await smallDisk('32k');
    await writeFile(join(dir, 'ballast'), Buffer.alloc(32 * 1024));
    const sink = openFiles(dir);
    await expect(send(sink, batch())).rejects.toThrow('ENOSPC');
    await rm(join(dir, 'ballast'));
    const sent = batch();
    await send(sink, sent);
    expect(await idsIn(join(dir, 'web.jsonl'))).toEqual(ids(sent));
  });

  onSmallDisk('does not stop a rotation from being survived', async () => {
    const dir = await smallDisk('64k');
    const sink = openFiles(dir, { rotate: { max_bytes: '1KiB', gzip: false } });
    const sent = Array.from({ length: 12 }, () => batch(40));
    const accepted = [];
    for (const one of sent) {
      const result = await send(sink, one).catch(() => undefined);
      if (result !== undefined) accepted.push(one);
    }
    expect(accepted.length).toBeGreaterThan(3);
    expect(accepted.length).toBeLessThan(sent.length);
    await close(sink);
    const names = spawnSync('ls', [dir]).stdout.toString().trim().split('\n');
    const found = await Promise.all(names.map((name) => idsIn(join(dir, name))));
    expect(found.flat().sort()).toEqual(ids(...accepted).sort());
  });

  onSmallDisk('a disk that was mounted read-only is waited for', async () => {
    const dir = await smallDisk('64k');
    spawnSync('mount', ['-o', 'remount,ro', dir]);
    const sink = openFiles(dir);
    const sending = send(sink, batch());
    await expect(sending).rejects.toThrow('EROFS');
    await expect(sending).rejects.not.toBeInstanceOf(Permanent);
    spawnSync('mount', ['-o', 'remount,rw', dir]);
    await send(sink, batch());
  });
});

describe('a write that the system cuts short', () => {
  const pieces = ['{"id":"1"}\n', '{"id":"2"}\n'].map((line) => Buffer.from(line));
  const bytes = Buffer.concat(pieces);

  /** A file with one whole line, whose next writes take `lengths[n]` bytes, and fail past the last. */
  async function shortOf(...lengths: readonly number[]) {
    const path = join(await tempDir(), 'x');
    await writeFile(path, '{"id":"0"}\n');
    const handle = await open(path, 'a+');
    afterwards(() => handle.close());
    const writev = handle.writev.bind(handle);
    const cut = jest.fn(async (pieces: readonly Buffer[]) => {
      const length = lengths[cut.mock.calls.length - 1];
      if (length === undefined) throw failure('ENOSPC');
      return writev([Buffer.concat(pieces).subarray(0, length)]);
    });
    Object.assign(handle, { writev: cut });
    return { path, handle };
  }

  test('is continued', async () => {
    const { path, handle } = await shortOf(3, 5, 100);
    await appendAll(handle, pieces);
    expect(await readFile(path, 'utf8')).toBe(`{"id":"0"}\n${bytes}`);
  });

  test('and then fails is taken back, whole lines too, so that a retry repeats none', async () => {
    const { path, handle } = await shortOf(7, 8);
    await expect(appendAll(handle, pieces)).rejects.toThrow('ENOSPC');
    expect(await readFile(path, 'utf8')).toBe('{"id":"0"}\n');
  });

  test('that fails at once changes nothing', async () => {
    const { path, handle } = await shortOf();
    await expect(appendAll(handle, pieces)).rejects.toThrow('ENOSPC');
    expect(await readFile(path, 'utf8')).toBe('{"id":"0"}\n');
  });

  test('and writes nothing does not go on for ever', async () => {
    const { handle } = await shortOf(0);
    await expect(appendAll(handle, pieces)).rejects.toThrow('nothing was written');
  });

  test('is left as it is when another process has appended since', async () => {
    const { path, handle } = await shortOf(7);
    const { stat } = handle;
    Object.assign(handle, {
      stat: async () => {
        await appendFile(path, 'theirs\n');
        return stat.call(handle);
      },
    });
    await expect(appendAll(handle, pieces)).rejects.toThrow('ENOSPC');
    expect(await readFile(path, 'utf8')).toBe('{"id":"0"}\n{"id":"theirs\n');
  });

  test('and cannot be taken back either is reported as it first failed', async () => {
    const { path, handle } = await shortOf(7);
    Object.assign(handle, { truncate: () => Promise.reject(failure('EIO')) });
    await expect(appendAll(handle, pieces)).rejects.toThrow('ENOSPC');
    expect(await readFile(path, 'utf8')).toBe('{"id":"0"}\n{"id":"');
  });

  test('a torn line that stayed is ended before the next try', async () => {
    const dir = await tempDir();
    const path = join(dir, 'web.jsonl');
    const sink = openFiles(dir);
    await send(sink, batch(), { path });
    jest.spyOn(handles, 'truncate').mockRejectedValueOnce(failure('EIO'));
    const { writev } = handles;
    let calls = 0;
    jest.spyOn(handles, 'writev').mockImplementation(async function (this: FileHandle, pieces: Buffer[]) {
      if (++calls === 2) throw failure('EIO');
      return Reflect.apply(writev, this, [calls === 1 ? [Buffer.concat(pieces).subarray(0, 9)] : pieces]);
    } as never);
    const sent = batch();
    await expect(send(sink, sent)).rejects.toThrow('EIO');
    await send(sink, sent);
    const lines = (await readFile(path, 'utf8')).split('\n');
    expect(lines).toHaveLength(4);
    expect(lines[1]).toHaveLength(9);
    expect(`${lines[2]}\n`).toBe(ndjsonOf(sent).toString());
  });
});
