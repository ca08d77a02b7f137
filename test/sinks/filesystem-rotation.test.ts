import { mkdir, open, readdir, readFile, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { VirtualTimeScheduler } from 'rxjs';
import { ndjsonOf } from '../../src/batch.ts';
import { compress } from '../../src/sinks/filesystem/compress.ts';
import { liveName, rotatedOf, rotatedPath } from '../../src/sinks/filesystem/rotated.ts';
import { moveAside, periodOf } from '../../src/sinks/filesystem/rotation.ts';
import {
  batch,
  close,
  eventually,
  ids,
  idsIn,
  idsOf,
  openFiles,
  send,
  sinkContext,
  tempDir,
} from './support.ts';

afterEach(() => void jest.restoreAllMocks());

const START = Date.UTC(2025, 9, 20, 10, 30, 45);
const HOUR = 3_600_000;

/** A clock that stands still but for `advance`. */
function createClock(startMs = START) {
  const scheduler = new VirtualTimeScheduler();
  scheduler.frame = startMs;
  return {
    context: sinkContext(scheduler),
    scheduler,
    advance: (ms: number) => {
      scheduler.frame += ms;
    },
    /** Runs what is scheduled, for whatever time. */
    flush: () => {
      const beforeMs = scheduler.frame;
      scheduler.flush();
      scheduler.frame = Math.max(scheduler.frame, beforeMs);
    },
  };
}

const list = async (dir: string) => (await readdir(dir)).sort();

/** All ids in a folder's files, compressed or not. */
async function allIds(dir: string): Promise<string[]> {
  const found = await Promise.all(
    (await list(dir)).map(async (name) => {
      const bytes = await readFile(join(dir, name));
      return idsOf((name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString());
    }),
  );
  return found.flat();
}

describe('names', () => {
  test.each([
    ['/a/b.jsonl', 0, '/a/b.20251020T103045Z.jsonl'],
    ['/a/b.jsonl', 2, '/a/b.20251020T103045Z-2.jsonl'],
    ['/a/b.c.log', 0, '/a/b.c.20251020T103045Z.log'],
    ['/a/b', 1, '/a/b.20251020T103045Z-1'],
    ['/a.b/.c', 0, '/a.b/.c.20251020T103045Z'],
  ])('%s, number %d, becomes %s', (path, n, rotated) => {
    expect(rotatedPath(path, START + 999, n)).toBe(rotated);
    const entry = rotated.slice(rotated.lastIndexOf('/') + 1);
    const name = path.slice(path.lastIndexOf('/') + 1);
    for (const [suffix, form] of [
      ['', 'plain'],
      ['.gz', 'gzip'],
      ['.gz.0123abcd.tmp', 'temporary'],
    ]) {
      expect(rotatedOf(entry + suffix)).toEqual({ entry: entry + suffix, name, timeMs: START, n, form });
    }
  });

  test.each([
    'b.jsonl',
    'b.20251020.jsonl',
    'b.20251399T103045Z.jsonl',
    '20251020T103045Z.jsonl',
    'b.20251020T103045Z.a.b',
    'b.20251020T103045Z.jsonl.gz.tmp',
  ])('%s is not a rotated file', (entry) => expect(rotatedOf(entry)).toBeUndefined());

  test.each([
    ['a.20251020T103045Z.jsonl', 'a%2E20251020T103045Z.jsonl'],
    ['a.20251020T103045Z-1.jsonl', 'a%2E20251020T103045Z-1.jsonl'],
    ['a.20251020T103045Z', 'a%2E20251020T103045Z'],
    ['a.20251020T103045Z.20251020T103045Z.x', 'a%2E20251020T103045Z%2E20251020T103045Z.x'],
    ['x/a.gz', 'x/a%2Egz'],
    ['a.tmp', 'a%2Etmp'],
    ['a.20251020T103045Z/x.jsonl', 'a.20251020T103045Z/x.jsonl'],
    ['a.gz/x.jsonl', 'a.gz/x.jsonl'],
    ['a.jsonl', 'a.jsonl'],
  ])('%s is written as %s', (name, live) => {
    expect(liveName(name)).toBe(live);
    expect(rotatedOf(live)).toBeUndefined();
  });

  test('intervals are counted from midnight UTC', () => {
    expect(periodOf({ every: 'hour' }, START)).toBe(Math.floor(START / HOUR));
    expect(periodOf({ every: 'day' }, START)).toBe(periodOf({ every: 'day' }, START + 13 * HOUR));
    expect(periodOf({ every: 'day' }, START)).not.toBe(periodOf({ every: 'day' }, START + 14 * HOUR));
    expect(periodOf({ every: 900_000 }, START)).toBe(periodOf({ every: 'hour' }, START) * 4 + 2);
    expect(periodOf({ max_bytes: 1 }, START)).toBe(0);
  });
});

describe('by size', () => {
  test('a file is rotated before it would pass max_bytes; nothing is lost or reordered', async () => {
    const dir = await tempDir();
    const clock = createClock();
    const sink = openFiles(dir, { rotate: { max_bytes: '2KiB', gzip: false } }, clock.context);
    const sent = Array.from({ length: 30 }, () => batch(3));
    for (const one of sent) {
      await send(sink, one);
      clock.advance(1_000);
    }
    const names = await list(dir);
    expect(names.length).toBeGreaterThan(5);
    for (const name of names) expect((await stat(join(dir, name))).size).toBeLessThanOrEqual(2_048);
    expect(names.at(-1)).toBe('web.jsonl');
    expect(await allIds(dir)).toEqual(ids(...sent));
  });

  test('rotations within one second do not overwrite each other', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir, { rotate: { max_bytes: '1KiB', gzip: false } }, createClock().context);
    const sent = Array.from({ length: 20 }, () => batch(5));
    for (const one of sent) await send(sink, one);
    expect(await list(dir)).toContain('web.20251020T103045Z-18.jsonl');
    expect((await allIds(dir)).sort()).toEqual(ids(...sent).sort());
  });

  test('a batch larger than max_bytes goes whole into a file of its own', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir, { rotate: { max_bytes: '1KiB', gzip: false } }, createClock().context);
    const sent = [batch(50), batch(50)];
    for (const one of sent) await send(sink, one);
    expect(await idsIn(join(dir, 'web.20251020T103045Z.jsonl'))).toEqual(ids(sent[0]!));
    expect(await idsIn(join(dir, 'web.jsonl'))).toEqual(ids(sent[1]!));
  });

  test('batches are not merged beyond max_bytes', async () => {
    expect(openFiles(await tempDir()).merge).toEqual({ maxMessages: 20_000, maxBytes: 4 * 2 ** 20 });
    expect(openFiles(await tempDir(), { rotate: { max_bytes: '1MiB' } }).merge.maxBytes).toBe(2 ** 20);
  });

  test('what another process appended counts', async () => {
    const dir = await tempDir();
    const sink = openFiles(dir, { rotate: { max_bytes: '2KiB', gzip: false } }, createClock().context);
    await send(sink, batch());
    await writeFile(join(dir, 'web.jsonl'), `{"id":"${'x'.repeat(2_000)}"}\n`, { flag: 'a' });
    await send(sink, batch());
    expect(await list(dir)).toHaveLength(2);
  });

  test('two sinks that rotate one file lose nothing', async () => {
    const dir = await tempDir();
    const clock = createClock();
    const sinks = [1, 2].map(() =>
      openFiles(dir, { rotate: { max_bytes: '8KiB', gzip: false } }, clock.context),
    );
    const sent = Array.from({ length: 200 }, () => batch(7));
    await Promise.all(sent.map((one, n) => send(sinks[n % 2]!, one)));
    expect((await allIds(dir)).sort()).toEqual(ids(...sent).sort());
    expect((await list(dir)).length).toBeGreaterThan(20);
  });
});

describe('by time', () => {
  test('the first write of a new hour starts a new file', async () => {
    const dir = await tempDir();
    const clock = createClock();
    const sink = openFiles(dir, { rotate: { every: 'hour', gzip: false } }, clock.context);
    const sent = [batch(), batch(), batch(), batch()];
    await send(sink, sent[0]!);
    clock.advance(29 * 60_000);
    await send(sink, sent[1]!);
    clock.advance(60_000);
    await send(sink, sent[2]!);
    clock.advance(60_000);
    await send(sink, sent[3]!);
    expect(await list(dir)).toEqual(['web.20251020T110045Z.jsonl', 'web.jsonl']);
    expect(await allIds(dir)).toEqual(ids(...sent));
    expect(await idsIn(join(dir, 'web.jsonl'))).toEqual(ids(sent[2]!, sent[3]!));
  });

  test('a restart goes by the time of the last write', async () => {
    const dir = await tempDir();
    for (const name of ['old', 'new']) await writeFile(join(dir, `${name}.jsonl`), `{"id":"${name}"}\n`);
    await utimes(join(dir, 'old.jsonl'), (START - 86_400_000) / 1000, (START - 86_400_000) / 1000);
    await utimes(join(dir, 'new.jsonl'), (START - 60_000) / 1000, (START - 60_000) / 1000);
    const sink = openFiles(dir, { rotate: { every: 'day', gzip: false } }, createClock().context);
    await send(sink, batch(1, { source: 'old' }));
    await send(sink, batch(1, { source: 'new' }));
    expect(await list(dir)).toEqual(['new.jsonl', 'old.20251020T103045Z.jsonl', 'old.jsonl']);
    expect(await idsIn(join(dir, 'old.20251020T103045Z.jsonl'))).toEqual(['old']);
  });

  test('a clock behind that of the file server does not rotate again and again', async () => {
    const dir = await tempDir();
    const clock = createClock(0);
    const sink = openFiles(dir, { rotate: { every: 'hour', gzip: false }, max_open_files: 1 }, clock.context);
    for (let n = 0; n < 5; n++) {
      await send(sink, batch(1, { source: 'a' }));
      await send(sink, batch(1, { source: 'b' }));
    }
    expect(await list(dir)).toEqual(['a.jsonl', 'b.jsonl']);
  });

  test('an empty file is not rotated', async () => {
    const dir = await tempDir();
    await writeFile(join(dir, 'web.jsonl'), '');
    await utimes(join(dir, 'web.jsonl'), 0, 0);
    const clock = createClock();
    const sink = openFiles(dir, { rotate: { every: 'hour', gzip: false } }, clock.context);
    await send(sink, batch());
    await truncate(join(dir, 'web.jsonl'));
    clock.advance(2 * HOUR);
    await send(sink, batch());
    expect(await list(dir)).toEqual(['web.jsonl']);
  });
});

describe('a rotation that fails', () => {
  test('costs nothing but a longer file, and is tried again after a minute', async () => {
    const dir = await tempDir();
    const clock = createClock();
    const sink = openFiles(dir, { rotate: { max_bytes: '1KiB', gzip: false } }, clock.context);
    const sent = Array.from({ length: 4 }, () => batch(5));
    await send(sink, sent[0]!);
    await mkdir(join(dir, 'web.20251020T103045Z.jsonl.gz'));
    for (let n = 1; n < 10_000; n++) await writeFile(join(dir, `web.20251020T103045Z-${n}.jsonl`), '');
    await send(sink, sent[1]!);
    await send(sink, sent[2]!);
    expect(await idsIn(join(dir, 'web.jsonl'))).toEqual(ids(sent[0]!, sent[1]!, sent[2]!));
    expect(clock.context.lines).toMatchObject([
      { level: 'warn', message: expect.stringMatching('next try in a minute') },
    ]);
    clock.advance(60_000);
    await send(sink, sent[3]!);
    expect(await idsIn(join(dir, 'web.20251020T103145Z.jsonl'))).toEqual(ids(sent[0]!, sent[1]!, sent[2]!));
  }, 60_000);

  test('a file that is gone is no failure, and leaves no reserved name', async () => {
    const dir = await tempDir();
    expect(await moveAside(join(dir, 'web.jsonl'), START)).toBeUndefined();
    expect(await list(dir)).toEqual([]);
  });

  test('a name that is taken, compressed or not, is not taken again', async () => {
    const dir = await tempDir();
    await writeFile(join(dir, 'web.20251020T103045Z.jsonl'), 'a');
    await writeFile(join(dir, 'web.20251020T103045Z-1.jsonl.gz'), 'b');
    await writeFile(join(dir, 'web.jsonl'), 'c');
    expect(await moveAside(join(dir, 'web.jsonl'), START)).toBe(join(dir, 'web.20251020T103045Z-2.jsonl'));
    const names = await list(dir);
    expect(await Promise.all(names.map((name) => readFile(join(dir, name), 'utf8')))).toEqual([
      'b',
      'c',
      'a',
    ]);
  });
});

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
