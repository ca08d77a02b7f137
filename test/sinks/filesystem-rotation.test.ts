import { mkdir, readFile, stat, truncate, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { liveName, rotatedOf, rotatedPath } from '../../src/sinks/filesystem/rotated.ts';
import { moveAside, periodOf } from '../../src/sinks/filesystem/rotation.ts';
import { allIds, createClock, HOUR, list, START } from './rotating.ts';
import { batch, ids, idsIn, openFiles, send, tempDir } from './support.ts';

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
    expect(openFiles(await tempDir()).merge).toMatchObject({ maxMessages: 20_000, maxBytes: 4 * 2 ** 20 });
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
