import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Mark, type Marks, openMarks } from '../../../src/ingest/session/marks.ts';
import { createRecording } from '../harness.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'marks-'));
});
afterEach(async () => {
  rmSync(folder, { recursive: true, force: true });
  for (const marks of opened.splice(0)) await marks.close();
  rmSync(folder, { recursive: true, force: true });
});

const mark = (n: number, seq: number): Mark => ({
  session: n.toString(16).padStart(32, '0'),
  seq,
  usedMs: 1000 + n,
});
const opened: Marks[] = [];
const open = async (all: () => readonly Mark[] = () => [], dir = join(folder, 'sessions')) => {
  const { context, logged } = createRecording();
  const marks = await openMarks(dir, all, context);
  opened.push(marks);
  return { ...marks, logged };
};
const text = () => {
  const dir = join(folder, 'sessions');
  return readdirSync(dir).map((name) => readFileSync(join(dir, name), 'latin1'));
};

test('nothing is on disk before the first mark; what is saved is loaded, the latest of each, in order of use', async () => {
  const first = await open();
  expect([first.loaded, readdirSync(folder)]).toEqual([[], []]);
  await first.save([mark(2, 5)]);
  await first.save([mark(1, 7), mark(2, 6)]);
  const second = await open();
  expect(second.loaded).toEqual([mark(1, 7), mark(2, 6)]);
});

test('closing leaves one file with what is worth keeping', async () => {
  const marks = await open(() => [mark(3, 9)]);
  for (let seq = 1; seq < 10; seq++) await marks.save([mark(3, seq), mark(4, seq)]);
  await marks.close();
  expect(text()).toEqual([expect.stringMatching(/^\d+ 0+3 9 1003\n$/)]);
  expect((await open()).loaded).toEqual([mark(3, 9)]);
});

test('a file that grows long is written anew', async () => {
  const all = () => [mark(1, 400)];
  const marks = await open(all);
  const many = Array.from({ length: 100 }, (_, n) => mark(1, n + 1));
  for (let n = 0; n < 102; n++) await marks.save(many);
  expect(text()).toHaveLength(1);
  expect(text()[0]!.split('\n').length).toBeLessThan(300);
  expect((await open()).loaded).toEqual(all());
});

test('whatever a power cut leaves of a file, no mark is newer than what was saved', async () => {
  await fc.assert(
    fc.asyncProperty(fc.nat(), fc.uint8Array({ maxLength: 40 }), fc.nat(), async (cut, noise, at) => {
      const dir = mkdtempSync(join(folder, 'cut-'));
      const marks = await open(() => [], dir);
      for (let seq = 1; seq <= 5; seq++) await marks.save([mark(1, seq), mark(2, 10 * seq)]);
      const path = join(dir, readdirSync(dir)[0]!);
      const bytes = readFileSync(path);
      await marks.close();
      rmSync(dir, { recursive: true });
      mkdirSync(dir);
      const left = Buffer.concat([bytes.subarray(0, cut % (bytes.length + 1)), noise]);
      if (left.length > 0) left[at % left.length]! ^= 1 << (at % 8);
      writeFileSync(path, left);
      for (const { session, seq } of (await open(() => [], dir)).loaded) {
        expect([mark(1, 0).session, mark(2, 0).session]).toContain(session);
        expect(seq).toBeLessThanOrEqual(session === mark(1, 0).session ? 5 : 50);
      }
    }),
    { numRuns: 200 },
  );
});

test('a folder that cannot be written to is said once, and tried again', async () => {
  writeFileSync(join(folder, 'sessions'), 'in the way');
  const marks = await open();
  await marks.save([mark(1, 1)]);
  await marks.save([mark(1, 2)]);
  expect(marks.logged.map(({ level }) => level)).toEqual(['error']);
  rmSync(join(folder, 'sessions'));
  await marks.save([mark(1, 3)]);
  appendFileSync(join(folder, 'sessions', 'other'), 'not ours');
  expect((await open()).loaded).toEqual([mark(1, 3)]);
});
