import { mkdir, open, readFile, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { describe, expect, jest, test } from '@jest/globals';
import { ndjsonOf } from '../../src/batch.ts';
import { compress } from '../../src/sinks/filesystem/compress.ts';
import { allIds, createClock, list, START } from './rotating.ts';
import { batch, close, eventually, ids, openFiles, send, tempDir } from './support.ts';

describe('compression', () => {
  test('rotated files are compressed after a pause and hold the same bytes; the time of the file stays', async () => {
    const dir = await tempDir();
    const clock = createClock();
    const sink = openFiles(dir, { rotate: { max_bytes: '1KiB' } }, clock.context);
    const sent = Array.from({ length: 5 }, () => batch(5));
    for (const one of sent) {
      await send(sink, one);
      clock.advance(1_000);
    }
    expect((await list(dir)).filter((name) => name.endsWith('.gz'))).toEqual([]);
    clock.advance(5_000);
    clock.flush();
    await eventually(async () =>
      expect((await list(dir)).filter((name) => name.endsWith('.gz'))).toHaveLength(4),
    );
    await eventually(async () => expect(await list(dir)).toHaveLength(5));
    const [first] = await list(dir);
    expect(gunzipSync(await readFile(join(dir, first!)))).toEqual(ndjsonOf(sent[0]!));
    expect((await allIds(dir)).sort()).toEqual(ids(...sent).sort());
  });

  test('a young rotated file, perhaps another process still writes to it, is left for later', async () => {
    const dir = await tempDir();
    const clock = createClock();
    await writeFile(join(dir, 'web.20251020T103049Z.jsonl'), '{"id":"theirs"}\n');
    const sink = openFiles(dir, { rotate: { max_bytes: '1KiB' } }, clock.context);
    await send(sink, batch());
    clock.flush();
    await eventually(() => expect(clock.scheduler.actions).toHaveLength(1));
    expect(await list(dir)).toEqual(['web.20251020T103049Z.jsonl', 'web.jsonl']);
    clock.flush();
    await eventually(async () =>
      expect(await list(dir)).toEqual(['web.20251020T103049Z.jsonl.gz', 'web.jsonl']),
    );
  });

  test('what a crash left is finished when the file is next opened', async () => {
    const dir = await tempDir();
    const put = (name: string, text: string | Buffer) => writeFile(join(dir, name), text);
    const line = '{"id":"x"}\n';
    // Before compressing; after `.gz` was complete, before the plain file was deleted.
    await put('web.20251019T000000Z.jsonl', line);
    await put('web.20251018T000000Z.jsonl', line);
    await put('web.20251018T000000Z.jsonl.gz', gzipSync(line));
    // Half compressed, long ago and a moment ago (by another process).
    await put('web.20251017T000000Z.jsonl.gz.0000aaaa.tmp', 'half');
    await utimes(
      join(dir, 'web.20251017T000000Z.jsonl.gz.0000aaaa.tmp'),
      START / 1000 - 3600,
      START / 1000 - 3600,
    );
    await put('web.20251017T000000Z.jsonl.gz.0000bbbb.tmp', 'half');
    await utimes(join(dir, 'web.20251017T000000Z.jsonl.gz.0000bbbb.tmp'), START / 1000, START / 1000);
    // Reserved, never renamed to.
    await put('web.20251016T000000Z.jsonl', '');
    // Not ours.
    await put('other.20251016T000000Z.jsonl', line);
    await put('web.20251016T000000Z.tar', line);
    const clock = createClock();
    await send(openFiles(dir, { rotate: { every: 'day' } }, clock.context), batch());
    clock.flush();
    await eventually(async () =>
      expect(await list(dir)).toEqual([
        'other.20251016T000000Z.jsonl',
        'web.20251016T000000Z.tar',
        'web.20251017T000000Z.jsonl.gz.0000bbbb.tmp',
        'web.20251018T000000Z.jsonl.gz',
        'web.20251019T000000Z.jsonl.gz',
        'web.jsonl',
      ]),
    );
    for (const day of [18, 19]) {
      expect(gunzipSync(await readFile(join(dir, `web.202510${day}T000000Z.jsonl.gz`))).toString()).toBe(
        line,
      );
    }
  });

  test('a source that is called like a rotated file keeps its own', async () => {
    const dir = await tempDir();
    const clock = createClock();
    const sink = openFiles(dir, { rotate: { every: 'day', keep: 1 } }, clock.context);
    const sent = ['web', 'web.20200101T000000Z', 'web.20200102T000000Z-1'].map((source) =>
      batch(1, { source }),
    );
    for (const one of sent) await send(sink, one);
    clock.flush();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await close(sink);
    expect((await allIds(dir)).sort()).toEqual(ids(...sent).sort());
    expect(await list(dir)).toHaveLength(3);
  });

  test('a file that grew meanwhile is kept whole and not compressed', async () => {
    const dir = await tempDir();
    const path = join(dir, 'x.jsonl');
    await writeFile(path, 'a\n');
    const handle = await open(path);
    await handle.close();
    const prototype = Object.getPrototypeOf(handle);
    const { stat: statHandle } = prototype;
    let calls = 0;
    jest.spyOn(prototype, 'stat').mockImplementation(async function (this: unknown) {
      if (++calls === 2) await writeFile(path, 'b\n', { flag: 'a' });
      return Reflect.apply(statHandle, this, []);
    } as never);
    expect(await compress(path, `${path}.gz.tmp`, new AbortController().signal)).toBe(false);
    expect(await list(dir)).toEqual(['x.jsonl']);
    expect(await readFile(path, 'utf8')).toBe('a\nb\n');
    expect(await compress(path, `${path}.gz.tmp`, new AbortController().signal)).toBe(true);
    expect(gunzipSync(await readFile(`${path}.gz`)).toString()).toBe('a\nb\n');
  });

  test('closing stops it, and leaves the plain file', async () => {
    const dir = await tempDir();
    const path = join(dir, 'x.jsonl');
    await writeFile(path, Buffer.alloc(2 ** 24));
    const stop = new AbortController();
    const compressing = compress(path, `${path}.gz.tmp`, stop.signal);
    await eventually(async () => expect(await list(dir)).toHaveLength(2));
    stop.abort();
    await expect(compressing).rejects.toThrow('abort');
    expect(await list(dir)).toEqual(['x.jsonl']);
  });

  test('a failure is told and tried again with the next rotation', async () => {
    const dir = await tempDir();
    const clock = createClock();
    await mkdir(join(dir, 'web.20251019T000000Z.jsonl.gz'));
    await writeFile(join(dir, 'web.20251019T000000Z.jsonl'), '{"id":"x"}\n');
    await send(openFiles(dir, { rotate: { every: 'day' } }, clock.context), batch());
    clock.flush();
    await eventually(() =>
      expect(clock.context.lines).toMatchObject([
        { level: 'warn', message: 'rotated files cannot be tidied up' },
      ]),
    );
    expect(await list(dir)).toContain('web.20251019T000000Z.jsonl');
  });
});

describe('keep', () => {
  test.each([true, false])('the oldest rotated files are deleted (gzip: %s)', async (gzip) => {
    const dir = await tempDir();
    const clock = createClock();
    const sink = openFiles(dir, { rotate: { max_bytes: '1KiB', gzip, keep: 2 } }, clock.context);
    const sent = Array.from({ length: 6 }, () => batch(5));
    await writeFile(join(dir, 'other.20200101T000000Z.jsonl'), '{"id":"other"}\n');
    for (const one of sent) await send(sink, one);
    clock.advance(10_000);
    clock.flush();
    const rotated = ['web.20251020T103045Z-3.jsonl', 'web.20251020T103045Z-4.jsonl'].map((name) =>
      gzip ? `${name}.gz` : name,
    );
    await eventually(async () =>
      expect(await list(dir)).toEqual(['other.20200101T000000Z.jsonl', ...rotated, 'web.jsonl']),
    );
    expect((await allIds(dir)).filter((id) => id !== 'other')).toEqual(ids(...sent.slice(-3)));
  });
});
