import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { dataOf } from '../../src/message.ts';
import { readRecent } from '../../src/sinks/filesystem/recent.ts';

const NOW_MS = Date.now();
const ROTATED = 'a.20251020T103045Z.jsonl.gz';

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'recent-'));
});
afterEach(() => rm(base, { recursive: true, force: true }));

/** The n-th line of a file, received n seconds ago. */
const lineOf = (n: number, text = '') =>
  `${JSON.stringify({
    source: 'a',
    type: 'event',
    timestamp: new Date(NOW_MS - n * 1000).toISOString(),
    data: { n, text },
    id: `id-${n}`,
    received_at: new Date(NOW_MS - n * 1000).toISOString(),
  })}\n`;
/** Lines `from` … `to`, the oldest, with the highest number, first. */
const linesOf = (from: number, to: number, text = '') =>
  Array.from({ length: from - to + 1 }, (_, at) => lineOf(from - at, text)).join('');

const put = async (name: string, bytes: string | Buffer, ageMs = 0) => {
  const path = join(base, name);
  await writeFile(path, bytes);
  await utimes(path, new Date(), new Date(NOW_MS - ageMs));
};
const read = async (maxBytes = 2 ** 20, maxAgeMs = 3_600_000) => {
  const query = { fromMs: NOW_MS - maxAgeMs, toMs: NOW_MS + 1000, maxBytes };
  const messages = await readRecent(base, query, new AbortController().signal);
  return messages.map(({ id }) => Number(id.slice(3)));
};
const down = (from: number, to: number) => Array.from({ length: from - to + 1 }, (_, at) => from - at);

test('compressed files are read with the others, the last changed first', async () => {
  await put('a.jsonl', linesOf(2, 0));
  await put(ROTATED, gzipSync(linesOf(9, 5)), 5000);
  await put('a.20251020T103045Z-1.jsonl', linesOf(4, 3), 3000);
  await put('a.20251020T103045Z-2.jsonl.gz.0123abcd.tmp', gzipSync(linesOf(20, 19)));
  expect(await read()).toEqual([...down(2, 0), ...down(4, 3), ...down(9, 5)]);
  // What changed last before it, and what was received before it, is too old.
  expect(await read(2 ** 20, 4500)).toEqual([...down(2, 0), ...down(4, 3)]);
  expect(await read(2 ** 20, 7500)).toEqual([...down(2, 0), ...down(4, 3), 7, 6, 5]);
});

test('lines that are no message are passed over', async () => {
  await put('a.jsonl', `${lineOf(2)}null\n[]\n7\n{\n\n${lineOf(1)}`);
  expect(await read()).toEqual([2, 1]);
});

test('lines that are null are passed over, wherever they stand', async () => {
  await put('a.jsonl', `null\n${lineOf(2)} \tnull\t\r\nnull\n${lineOf(1)}null`);
  // One that crosses the end of a block of 64 KiB, at each of its places.
  for (let at = 0; at <= 6; at++) {
    const before = `${'x'.repeat(65_536 - 5 - at)}\n`;
    await put(`${at}.jsonl`, `${before}${' '.repeat(at)}null  \n${lineOf(at + 10)}`, 1000 * (at + 1));
  }
  expect(await read()).toEqual([2, 1, ...down(16, 10).reverse()]);
});

test('a null within a line stays as it is', async () => {
  await put('a.jsonl', lineOf(1).replace('"text":""', '"none":\rnull\r,"text":"say\u2028null\\nnull ü"'));
  const query = { fromMs: 0, toMs: NOW_MS + 1000, maxBytes: 10_000 };
  const [message] = await readRecent(base, query, new AbortController().signal);
  expect(dataOf(message!)).toEqual({ n: 1, none: null, text: 'say\u2028null\nnull ü' });
});

test('of a compressed file its last bytes are read, as many as are left', async () => {
  const line = Buffer.byteLength(lineOf(5));
  await put('a.jsonl', linesOf(2, 0));
  await put(ROTATED, gzipSync(linesOf(9, 5)), 5000);
  await put('b.20251020T103045Z.jsonl.gz', gzipSync(linesOf(9, 9)), 9000);
  expect(await read(line * 5)).toEqual([2, 1, 0, 6, 5]);
  // The line that is torn by the bound is none.
  expect(await read(line * 5 - 1)).toEqual([2, 1, 0, 5]);
  expect(await read(line * 3)).toEqual([2, 1, 0]);
});

test('of one that is much larger than the bound, too', async () => {
  const text = randomBytes(500).toString('hex');
  await put(ROTATED, gzipSync(linesOf(3000, 0, text)));
  const numbers = await read(100_000);
  expect(numbers).toEqual(down(numbers.length - 1, 0));
  expect(numbers.length).toBeGreaterThan(80);
  expect(numbers.length).toBeLessThan(100);
});

test('what a file has before it is cut off counts', async () => {
  const whole = gzipSync(linesOf(3000, 0, randomBytes(20).toString('hex')));
  await put(ROTATED, whole.subarray(0, whole.length >> 1), 1000);
  await put('a.jsonl', linesOf(1, 0));
  const numbers = await read(2 ** 24);
  expect(numbers.slice(0, 3)).toEqual([1, 0, 3000]);
  expect(numbers.length).toBeGreaterThan(500);
});

test('damage costs the file that has it, from there on', async () => {
  const damaged = gzipSync(linesOf(3000, 0, randomBytes(20).toString('hex')));
  damaged.fill(0xff, damaged.length >> 1, (damaged.length >> 1) + 64);
  expect(() => gunzipSync(damaged)).toThrow();
  await put(ROTATED, damaged);
  await put('b.jsonl.gz', 'this was never compressed', 1000);
  await put('c.jsonl.gz', Buffer.alloc(0), 1000);
  await put('d.jsonl.gz', gzipSync('no message\n{"also":"none"}\n'), 1000);
  await put('e.20251020T103045Z.jsonl.gz', gzipSync(linesOf(7, 6)), 2000);
  const numbers = await read(2 ** 24);
  expect(numbers[0]).toBe(3000);
  expect(numbers.slice(-2)).toEqual([7, 6]);
});

test('a start that is given up reads no further', async () => {
  await put(ROTATED, gzipSync(linesOf(9, 5)));
  const reading = readRecent(base, { fromMs: 0, toMs: NOW_MS, maxBytes: 1000 }, AbortSignal.abort());
  await expect(reading).rejects.toThrow(/abort/i);
});

test('a search that is given up at any moment ends, and takes nothing else with it', async () => {
  for (const name of ['a.jsonl', 'b.jsonl', 'c.jsonl']) await put(name, linesOf(9, 0));
  await put(ROTATED, gzipSync(linesOf(9, 5)));
  let ended = 0;
  for (let turns = 0; ended === 0 && turns < 1000; turns++) {
    const controller = new AbortController();
    const query = { fromMs: 0, toMs: NOW_MS + 1000, maxBytes: 2 ** 20 };
    const search = readRecent(base, query, controller.signal).then(
      () => ended++,
      (error) => expect(error).toHaveProperty('name', 'AbortError'),
    );
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate);
    controller.abort();
    await search;
  }
  expect(ended).toBe(1);
});
