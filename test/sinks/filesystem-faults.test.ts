import { spawnSync } from 'node:child_process';
import { appendFile, type FileHandle, mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { asyncScheduler, VirtualTimeScheduler } from 'rxjs';
import { ndjsonOf } from '../../src/batch.ts';
import { Permanent } from '../../src/deliver/sink.ts';
import { appendAll } from '../../src/sinks/filesystem/tail.ts';
import {
  afterwards,
  batch,
  close,
  eventually,
  ids,
  idsIn,
  openFiles,
  openIn,
  send,
  sinkContext,
  tempDir,
} from './support.ts';

/** The class of all file handles, to make its calls fail. */
const handles: FileHandle = await (async () => {
  const handle = await open('/dev/null');
  await handle.close();
  return Object.getPrototypeOf(handle);
})();

afterEach(() => void jest.restoreAllMocks());

const failure = (code: string) => Object.assign(new Error(`${code}: simulated`), { code });

const canMount = (() => {
  const at = spawnSync('mktemp', ['-d']).stdout.toString().trim();
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=64k', 'tmpfs', at]).status === 0;
  if (mounted) spawnSync('umount', [at]);
  spawnSync('rmdir', [at]);
  return mounted;
})();
/** Needs a file system of its own, which only a superuser may mount. */
const onSmallDisk = canMount ? test : test.skip;

async function smallDisk(size: string): Promise<string> {
  const dir = join(await tempDir(), 'disk');
  await mkdir(dir);
  if (spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', dir]).status !== 0)
    throw new Error('mount');
  afterwards(() => spawnSync('umount', ['-l', dir]));
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
  const bytes = Buffer.from('{"id":"1"}\n{"id":"2"}\n');

  /** A file with one whole line, whose next writes take `lengths[n]` bytes, and fail past the last. */
  async function shortOf(...lengths: readonly number[]) {
    const path = join(await tempDir(), 'x');
    await writeFile(path, '{"id":"0"}\n');
    const handle = await open(path, 'a+');
    afterwards(() => handle.close());
    const write = handle.write.bind(handle);
    const cut = jest.fn(async (buffer: Buffer, at: number) => {
      const length = lengths[cut.mock.calls.length - 1];
      if (length === undefined) throw failure('ENOSPC');
      return write(buffer, at, Math.min(length, buffer.length - at));
    });
    Object.assign(handle, { write: cut });
    return { path, handle };
  }

  test('is continued', async () => {
    const { path, handle } = await shortOf(3, 5, 100);
    await appendAll(handle, bytes);
    expect(await readFile(path, 'utf8')).toBe(`{"id":"0"}\n${bytes}`);
  });

  test('and then fails is taken back, whole lines too, so that a retry repeats none', async () => {
    const { path, handle } = await shortOf(7, 8);
    await expect(appendAll(handle, bytes)).rejects.toThrow('ENOSPC');
    expect(await readFile(path, 'utf8')).toBe('{"id":"0"}\n');
  });

  test('that fails at once changes nothing', async () => {
    const { path, handle } = await shortOf();
    await expect(appendAll(handle, bytes)).rejects.toThrow('ENOSPC');
    expect(await readFile(path, 'utf8')).toBe('{"id":"0"}\n');
  });

  test('and writes nothing does not go on for ever', async () => {
    const { handle } = await shortOf(0);
    await expect(appendAll(handle, bytes)).rejects.toThrow('nothing was written');
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
    await expect(appendAll(handle, bytes)).rejects.toThrow('ENOSPC');
    expect(await readFile(path, 'utf8')).toBe('{"id":"0"}\n{"id":"theirs\n');
  });

  test('and cannot be taken back either is reported as it first failed', async () => {
    const { path, handle } = await shortOf(7);
    Object.assign(handle, { truncate: () => Promise.reject(failure('EIO')) });
    await expect(appendAll(handle, bytes)).rejects.toThrow('ENOSPC');
    expect(await readFile(path, 'utf8')).toBe('{"id":"0"}\n{"id":"');
  });

  test('a torn line that stayed is ended before the next try', async () => {
    const dir = await tempDir();
    const path = join(dir, 'web.jsonl');
    const sink = openFiles(dir);
    await send(sink, batch(), { path });
    jest.spyOn(handles, 'truncate').mockRejectedValueOnce(failure('EIO'));
    const { write } = handles;
    let calls = 0;
    jest.spyOn(handles, 'write').mockImplementation(async function (
      this: FileHandle,
      ...[buffer, at]: never[]
    ) {
      if (++calls === 2) throw failure('EIO');
      return Reflect.apply(write, this, calls === 1 ? [buffer, at, 9] : [buffer, at]);
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

describe('errors of the system', () => {
  test.each(['ESTALE', 'EIO', 'ENOSPC', 'EROFS', 'EACCES', 'EDQUOT', 'EBUSY'])(
    '%s may pass: the file is opened anew for the next try',
    async (code) => {
      const dir = await tempDir();
      const sink = openFiles(dir);
      const sent = [batch(), batch()];
      await send(sink, sent[0]!);
      jest.spyOn(handles, 'write').mockRejectedValueOnce(failure(code));
      const sending = send(sink, sent[1]!);
      await expect(sending).rejects.toThrow(`${code}: simulated '${join(dir, 'web.jsonl')}'`);
      await expect(sending).rejects.not.toBeInstanceOf(Permanent);
      expect(await openIn(dir)).toBe(0);
      await send(sink, sent[1]!);
      expect(await idsIn(join(dir, 'web.jsonl'))).toEqual(ids(...sent));
    },
  );

  test('of opening leave no descriptor behind', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir);
    jest.spyOn(handles, 'stat').mockRejectedValueOnce(failure('EIO'));
    await expect(send(sink, batch())).rejects.toThrow('EIO');
    expect(await openIn(dir)).toBe(0);
    await send(sink, batch());
    expect(await openIn(dir)).toBe(1);
  });

  test('of closing are told: NFS may say only there that lines are lost', async () => {
    const context = sinkContext();
    const sink = openFiles(await tempDir(), {}, context);
    const { stat } = handles;
    jest.spyOn(handles, 'stat').mockImplementation(function (this: FileHandle, ...args: never[]) {
      const closeHandle = this.close;
      this.close = () => closeHandle().then(() => Promise.reject(failure('EDQUOT')));
      return Reflect.apply(stat, this, args);
    } as never);
    await send(sink, batch());
    await close(sink);
    expect(context.lines).toMatchObject([
      { level: 'error', message: 'closing the file failed; its last lines may be lost' },
    ]);
  });
});

describe('fsync', () => {
  test('never: the disk is not forced, also not at the end', async () => {
    const sync = jest.spyOn(handles, 'datasync');
    const sink = openFiles(await tempDir());
    await send(sink, batch());
    await close(sink);
    expect(sync).not.toHaveBeenCalled();
  });

  test('batch: each send waits for the disk, and fails if it fails', async () => {
    const dir = await tempDir();
    const sync = jest.spyOn(handles, 'datasync');
    const sink = openFiles(dir, { fsync: 'batch' });
    await send(sink, batch());
    await send(sink, batch());
    expect(sync).toHaveBeenCalledTimes(2);
    sync.mockRejectedValueOnce(failure('EIO'));
    await expect(send(sink, batch())).rejects.toThrow('EIO');
    await send(sink, batch());
    expect(sync).toHaveBeenCalledTimes(4);
  });

  test('an interval: at most one in it, only after a write', async () => {
    const clock = new VirtualTimeScheduler();
    const sync = jest.spyOn(handles, 'datasync');
    const sink = openFiles(await tempDir(), { fsync: '5s' }, sinkContext(clock));
    await send(sink, batch());
    await send(sink, batch());
    expect(sync).not.toHaveBeenCalled();
    expect(clock.actions.map(({ delay }) => delay)).toEqual([5_000]);
    clock.flush();
    await eventually(() => expect(sync).toHaveBeenCalledTimes(1));
    expect(clock.actions).toEqual([]);
    await send(sink, batch());
    expect(clock.actions.map(({ delay }) => delay)).toEqual([10_000]);
  });

  test('an interval: closing and rotating bring to the disk what is left', async () => {
    const sync = jest.spyOn(handles, 'datasync');
    const dir = await tempDir();
    const sink = openFiles(dir, { fsync: '1h', rotate: { max_bytes: '1KiB', gzip: false } });
    await send(sink, batch(10));
    await send(sink, batch(10));
    expect(sync).toHaveBeenCalledTimes(1);
    await close(sink);
    expect(sync).toHaveBeenCalledTimes(2);
  });

  test('an interval: a failure is told, and writing goes on', async () => {
    const clock = new VirtualTimeScheduler();
    const context = sinkContext(clock);
    const dir = await tempDir();
    const sink = openFiles(dir, { fsync: '1s' }, context);
    const sent = [batch(), batch()];
    await send(sink, sent[0]!);
    jest.spyOn(handles, 'datasync').mockRejectedValueOnce(failure('EIO'));
    clock.flush();
    await eventually(() =>
      expect(context.lines).toMatchObject([
        { level: 'error', message: 'fsync failed; the last lines may be lost', fields: { backend: 'files' } },
      ]),
    );
    await send(sink, sent[1]!);
    expect(await idsIn(join(dir, 'web.jsonl'))).toEqual(ids(...sent));
  });
});

describe('unsubscribing', () => {
  const target = (dir: string) => ({ key: join(dir, 'web.jsonl') });

  test('a send that waits its turn is not written', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir);
    const [first, second, third] = [batch(), batch(), batch()];
    const sending = send(sink, first);
    const seen = jest.fn();
    sink.send(second, target(dir)).subscribe({ error: seen, complete: seen }).unsubscribe();
    await sending;
    await send(sink, third);
    expect(await idsIn(join(dir, 'web.jsonl'))).toEqual(ids(first, third));
    expect(seen).not.toHaveBeenCalled();
  });

  test('a write under way is awaited by the next send to that file', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir);
    await send(sink, batch(), { path: 'web.jsonl' });
    await rm(join(dir, 'web.jsonl'));
    const { write } = handles;
    let go = () => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    const writes = jest.spyOn(handles, 'write').mockImplementation(async function (
      this: FileHandle,
      ...args: never[]
    ) {
      await held;
      return Reflect.apply(write, this, args);
    } as never);
    const [aborted, next, other] = [batch(3), batch(3), batch(1, { source: 'other' })];
    const subscription = sink.send(aborted, target(dir)).subscribe();
    await eventually(() => expect(writes).toHaveBeenCalledTimes(1));
    subscription.unsubscribe();
    const sending = send(sink, next);
    const toAnother = send(sink, other);
    await eventually(() => expect(writes).toHaveBeenCalledTimes(2));
    expect(Buffer.isBuffer(writes.mock.calls[1]?.[0]) && String(writes.mock.calls[1]?.[0])).toMatch(
      '"source":"other"',
    );
    go();
    await Promise.all([sending, toAnother]);
    expect(await idsIn(join(dir, 'web.jsonl'))).toEqual(ids(aborted, next));
  });

  test('nothing happens before subscribing, and each subscription sends', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir);
    const sent = batch();
    const send$ = sink.send(sent, target(dir));
    await new Promise((resolve) => asyncScheduler.schedule(() => resolve(undefined), 20));
    await expect(readFile(join(dir, 'web.jsonl'))).rejects.toThrow('ENOENT');
    for (let n = 0; n < 2; n++) await new Promise<void>((complete) => send$.subscribe({ complete }));
    expect(await idsIn(join(dir, 'web.jsonl'))).toEqual([...ids(sent), ...ids(sent)]);
  });
});
