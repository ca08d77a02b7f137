import { type FileHandle, readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, jest, test } from '@jest/globals';
import { asyncScheduler, VirtualTimeScheduler } from 'rxjs';
import { Permanent } from '../../src/deliver/sink.ts';
import { failure, handles } from './handles.ts';
import {
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

describe('errors of the system', () => {
  test.each(['ESTALE', 'EIO', 'ENOSPC', 'EROFS', 'EACCES', 'EDQUOT', 'EBUSY'])(
    '%s may pass: the file is opened anew for the next try',
    async (code) => {
      const dir = await tempDir();
      const sink = openFiles(dir);
      const sent = [batch(), batch()];
      await send(sink, sent[0]!);
      jest.spyOn(handles, 'writev').mockRejectedValueOnce(failure(code));
      const sending = send(sink, sent[1]!);
      await expect(sending).rejects.toThrow(`${code}: simulated '${join(dir, 'web.jsonl')}'`);
      await expect(sending).rejects.not.toBeInstanceOf(Permanent);
      expect(await openIn(dir)).toEqual([]);
      await send(sink, sent[1]!);
      expect(await idsIn(join(dir, 'web.jsonl'))).toEqual(ids(...sent));
    },
  );

  test('of opening leave no descriptor behind', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir);
    jest.spyOn(handles, 'stat').mockRejectedValueOnce(failure('EIO'));
    await expect(send(sink, batch())).rejects.toThrow('EIO');
    expect(await openIn(dir)).toEqual([]);
    await send(sink, batch());
    expect(await openIn(dir)).toEqual(['web.jsonl']);
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
    const { writev } = handles;
    let go = () => {};
    const held = new Promise<void>((resolve) => {
      go = resolve;
    });
    const writes = jest.spyOn(handles, 'writev').mockImplementation(async function (
      this: FileHandle,
      ...args: never[]
    ) {
      await held;
      return Reflect.apply(writev, this, args);
    } as never);
    const [aborted, next, other] = [batch(3), batch(3), batch(1, { source: 'other' })];
    const subscription = sink.send(aborted, target(dir)).subscribe();
    await eventually(() => expect(writes).toHaveBeenCalledTimes(1));
    subscription.unsubscribe();
    const sending = send(sink, next);
    const toAnother = send(sink, other);
    await eventually(() => expect(writes).toHaveBeenCalledTimes(2));
    expect(String(writes.mock.calls[1]?.[0][0])).toMatch('"source":"other"');
    go();
    await Promise.all([sending, toAnother]);
    expect(await idsIn(join(dir, 'web.jsonl'))).toEqual(ids(aborted, next));
  });

  test('a send that never had its turn opens nothing', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir);
    sink.send(batch(), target(dir)).subscribe().unsubscribe();
    await close(sink);
    expect(await readdir(dir)).toEqual([]);
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

test('a mount that hangs keeps two threads and no more; the sends wait and then go on', async () => {
  const dir = await tempDir();
  const sink = openFiles(dir);
  const { writev } = handles;
  let go = () => {};
  const hangs = new Promise<void>((resolve) => {
    go = resolve;
  });
  const writes = jest.spyOn(handles, 'writev').mockImplementation(async function (
    this: FileHandle,
    ...args: never[]
  ) {
    await hangs;
    return Reflect.apply(writev, this, args);
  } as never);
  const sent = Array.from({ length: 6 }, (_, n) => batch(1, { source: `s${n}` }));
  const sending = sent.map((one) => send(sink, one));
  await eventually(() => expect(writes).toHaveBeenCalledTimes(2));
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(writes).toHaveBeenCalledTimes(2);
  go();
  await Promise.all(sending);
  for (const one of sent) expect(await idsIn(join(dir, `${one.source}.jsonl`))).toEqual(ids(one));
});
