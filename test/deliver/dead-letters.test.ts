import {
  createReadStream,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import ndjson from 'ndjson';
import { VirtualTimeScheduler } from 'rxjs';
import {
  type DeadLetterOptions,
  type Letter,
  type LetterBounds,
  memoryDeadLetters,
  openDeadLetters,
} from '../../src/deliver/dead-letters.ts';
import { createMessage, jsonOf } from '../../src/message.ts';
import { message, recordingLog } from './fixtures.ts';

let folder: string;
let dir: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'dead-letters-'));
  dir = join(folder, 'dead-letters');
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const letter = (over: Partial<Letter> = {}): Letter => ({
  backend: 'db',
  reason: 'permanent',
  error: 'Permanent: bad value',
  attempts: 3,
  config: 'c0ffee',
  target: 'events',
  messages: [message(1)],
  ...over,
});

const NOW = Date.parse('2025-10-20T10:30:45.123Z');
const HOUR_MS = 3_600_000;

function open({
  maxBytes = 1_000_000,
  maxAgeMs = 24 * HOUR_MS,
  ...over
}: Partial<DeadLetterOptions & LetterBounds> = {}) {
  const log = recordingLog();
  const scheduler = new VirtualTimeScheduler();
  scheduler.frame = NOW;
  const letters = openDeadLetters(
    { dir, boundsOf: () => ({ maxBytes, maxAgeMs }), ...over },
    { scheduler, log },
  );
  /** Lets time pass. */
  const pass = (ms: number) => {
    scheduler.maxFrames = scheduler.frame + ms;
    scheduler.flush();
    scheduler.frame = scheduler.maxFrames;
  };
  return { log, letters, pass };
}

const linesOf = (path: string) => readFileSync(join(dir, path), 'utf8').split('\n').slice(0, -1);
const numbersIn = (path: string) => linesOf(path).map((line) => JSON.parse(line).record.n);

describe('a line', () => {
  test('says what, why, when, and holds the record', () => {
    const { letters } = open();
    expect(letters.write(letter())).toBe(true);
    const [line, ...rest] = linesOf('db.ndjson');
    expect(rest).toEqual([]);
    expect(JSON.parse(line!)).toEqual({
      dead_at: '2025-10-20T10:30:45.123Z',
      backend: 'db',
      reason: 'permanent',
      error: 'Permanent: bad value',
      attempts: 3,
      config: 'c0ffee',
      target: 'events',
      record: JSON.parse(jsonOf(message(1))),
    });
    expect(Object.keys(JSON.parse(line!))[0]).toBe('dead_at');
  });

  test("keeps the sender's text as it is: big numbers, duplicate keys, escapes", () => {
    const head = '{"n":9007199254740993,"x":1.10,"x":2,"__proto__":{},"s":"\\u0000\\ud800 ü"';
    const { letters } = open();
    letters.write(letter({ messages: [createMessage({ ...message(1), head })] }));
    expect(linesOf('db.ndjson')[0]).toContain(`,"record":${head},"id":"`);
  });

  test('is one line, whatever the error and the target say', () => {
    const { letters } = open();
    letters.write(letter({ error: 'a\n"b"\u2028\0', target: 'x\r\ny' }));
    expect(linesOf('db.ndjson').map((line) => JSON.parse(line))).toMatchObject([
      { error: 'a\n"b"\u2028\0', target: 'x\r\ny' },
    ]);
  });

  test('says of each message what went wrong with it, where that differs', () => {
    const { letters } = open();
    letters.write(letter({ error: ['bad 1', 'bad 2'], messages: [1, 2].map((n) => message(n)) }));
    expect(linesOf('db.ndjson').map((line) => JSON.parse(line))).toMatchObject([
      { error: 'bad 1', record: { n: 1 } },
      { error: 'bad 2', record: { n: 2 } },
    ]);
  });

  test('is written for each message, in order, behind what is there', () => {
    open().letters.write(letter({ messages: [1, 2].map((n) => message(n)) }));
    open().letters.write(letter({ messages: [3, 4].map((n) => message(n)) }));
    expect(numbersIn('db.ndjson')).toEqual([1, 2, 3, 4]);
  });

  test('can be read back with any NDJSON reader', async () => {
    const { letters } = open();
    letters.write(letter({ messages: [1, 2, 3].map((n) => message(n)) }));
    const read: unknown[] = [];
    for await (const row of createReadStream(join(dir, 'db.ndjson')).pipe(ndjson.parse()))
      read.push(row.record.n);
    expect(read).toEqual([1, 2, 3]);
  });
});

describe('files', () => {
  test('one a backend, in their folder, whatever its name; readable by their owner and group alone', () => {
    const { letters } = open();
    for (const backend of ['db', '../../etc/passwd', 'a/b']) letters.write(letter({ backend }));
    expect(readdirSync(dir).sort()).toEqual(['%2E.%2F..%2Fetc%2Fpasswd.ndjson', 'a%2Fb.ndjson', 'db.ndjson']);
    expect(readdirSync(folder)).toEqual(['dead-letters']);
    expect(statSync(join(dir, 'db.ndjson')).mode & 0o007).toBe(0);
  });

  test('nothing is made before the first letter', () => {
    open();
    expect(existsSync(dir)).toBe(false);
  });

  test('may be deleted or moved at any time', () => {
    const { letters } = open();
    letters.write(letter({ messages: [message(1)] }));
    rmSync(dir, { recursive: true });
    letters.write(letter({ messages: [message(2)] }));
    expect(numbersIn('db.ndjson')).toEqual([2]);
  });

  test('an incomplete last line, of a crash, is ended and left', () => {
    mkdirSync(dir);
    writeFileSync(join(dir, 'db.ndjson'), '{"dead_at":"2025-');
    open().letters.write(letter());
    const [torn, whole] = linesOf('db.ndjson');
    expect(torn).toBe('{"dead_at":"2025-');
    expect(JSON.parse(whole!).record.n).toBe(1);
  });
});

describe('the bound', () => {
  const lineBytes = () => {
    open().letters.write(letter());
    const { size } = statSync(join(dir, 'db.ndjson'));
    rmSync(dir, { recursive: true });
    return size;
  };

  test('at half of it the file becomes the older one; the oldest letters are dropped and counted', () => {
    const bytes = lineBytes();
    const { letters, log } = open({ maxBytes: 6 * bytes });
    for (let n = 1; n <= 3; n++) letters.write(letter({ messages: [message(n)] }));
    expect(readdirSync(dir)).toEqual(['db.ndjson']);
    for (let n = 4; n <= 6; n++) letters.write(letter({ messages: [message(n)] }));
    expect([numbersIn('db.ndjson.1'), numbersIn('db.ndjson')]).toEqual([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    expect(letters.stats()).toEqual({ written: 6, dropped: 0, failed: 0 });
    expect(log.lines).toEqual([]);
    letters.write(letter({ messages: [message(7)] }));
    expect([numbersIn('db.ndjson.1'), numbersIn('db.ndjson')]).toEqual([[4, 5, 6], [7]]);
    expect(letters.stats()).toEqual({ written: 7, dropped: 3, failed: 0 });
    expect(log.lines).toEqual([
      {
        level: 'warn',
        fields: { file: join(dir, 'db.ndjson.1'), messages: 3, max_bytes: 6 * bytes },
        text: 'Dropped the oldest dead letters',
      },
    ]);
  });

  test('holds for one letter of many messages and for files of an earlier run', () => {
    const bytes = lineBytes();
    const maxBytes = 6 * bytes;
    open({ maxBytes }).letters.write(letter({ messages: Array.from({ length: 5 }, (_, n) => message(n)) }));
    const { letters } = open({ maxBytes });
    letters.write(letter({ messages: Array.from({ length: 8 }, (_, n) => message(n + 10)) }));
    expect(numbersIn('db.ndjson')).toEqual([16, 17]);
    expect(numbersIn('db.ndjson.1')).toEqual([13, 14, 15]);
    expect(letters.stats()).toEqual({ written: 8, dropped: 8, failed: 0 });
  });

  test('an older file of any length is counted right', () => {
    mkdirSync(dir);
    writeFileSync(join(dir, 'db.ndjson.1'), '{}\n'.repeat(50_000));
    writeFileSync(join(dir, 'db.ndjson'), '{}\n');
    const { letters } = open({ maxBytes: 10 });
    letters.write(letter());
    expect(letters.stats()).toEqual({ written: 1, dropped: 50_000, failed: 0 });
  });

  test('a line that is longer stands alone', () => {
    const { letters } = open({ maxBytes: 1000 });
    letters.write(letter({ messages: [message(1), message(2, { bytes: 5000 }), message(3)] }));
    expect([numbersIn('db.ndjson.1'), numbersIn('db.ndjson')]).toEqual([[2], [3]]);
    expect(letters.stats()).toEqual({ written: 3, dropped: 1, failed: 0 });
  });

  test('written = kept + dropped, and the files never exceed it, whatever is written', () => {
    const anyLetter = fc.array(fc.integer({ min: 100, max: 400 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(fc.array(anyLetter, { maxLength: 12 }), (sizes) => {
        rmSync(dir, { recursive: true, force: true });
        const maxBytes = 3000;
        const { letters } = open({ maxBytes });
        let n = 0;
        for (const bytes of sizes) {
          letters.write(letter({ messages: bytes.map((size) => message(n++, { bytes: size })) }));
        }
        const files = existsSync(dir) ? readdirSync(dir) : [];
        const kept = files.toSorted().reverse().flatMap(numbersIn);
        const { written, dropped } = letters.stats();
        expect(written).toBe(n);
        expect(kept).toEqual(Array.from({ length: n - dropped }, (_, at) => at + dropped));
        expect(files.reduce((sum, file) => sum + statSync(join(dir, file)).size, 0)).toBeLessThanOrEqual(
          maxBytes,
        );
      }),
      { numRuns: 50 },
    );
  });
});

describe('the age', () => {
  test('letters that are older go, within the hour, those before a restart too', () => {
    open().letters.write(letter({ messages: [message(1)] }));
    const { letters, log, pass } = open({ maxAgeMs: 2 * HOUR_MS });
    pass(0);
    pass(HOUR_MS);
    letters.write(letter({ messages: [message(2)] }));
    pass(HOUR_MS);
    expect(numbersIn('db.ndjson')).toEqual([1, 2]);
    pass(HOUR_MS);
    expect(numbersIn('db.ndjson')).toEqual([2]);
    expect(letters.stats()).toEqual({ written: 1, dropped: 1, failed: 0 });
    expect(log.lines.map(({ level, text }) => [level, text])).toEqual([
      ['info', 'Dropped dead letters that were too old'],
    ]);
    pass(HOUR_MS);
    expect(readdirSync(dir)).toEqual([]);
  });

  test('is looked at in older files and in those that a command left; what is no letter stays', () => {
    const bounded = open({ maxBytes: 10 });
    bounded.letters.write(letter({ messages: [message(1)] }));
    bounded.letters.write(letter({ messages: [message(2)] }));
    writeFileSync(join(dir, 'db.ndjson.taken-x'), readFileSync(join(dir, 'db.ndjson')));
    writeFileSync(join(dir, 'notes.txt'), 'mine');
    writeFileSync(join(dir, 'torn.ndjson'), '{"dead_at":"2025-');
    open({ maxAgeMs: 1 }).pass(HOUR_MS);
    expect(readdirSync(dir)).toEqual(['notes.txt', 'torn.ndjson']);
  });

  test('ends with the sidecar', () => {
    const { letters, pass } = open({ maxAgeMs: 1 });
    letters.write(letter());
    letters.close().subscribe();
    pass(2 * HOUR_MS);
    expect(linesOf('db.ndjson')).toHaveLength(1);
  });
});

test('a backend that keeps none', () => {
  const { letters, log } = open({ boundsOf: () => undefined });
  expect(letters.write(letter())).toBe(false);
  expect(existsSync(dir)).toBe(false);
  expect(log.lines).toEqual([]);
});

describe('a disk that refuses', () => {
  test('is said once, counted, and never thrown; so is its return', () => {
    const { letters, log } = open();
    // A file where the folder should be: fails for root as well.
    writeFileSync(dir, '');
    expect(letters.write(letter({ messages: [message(1), message(2)] }))).toBe(false);
    expect(letters.write(letter())).toBe(false);
    expect(letters.write(letter({ backend: 'other' }))).toBe(false);
    expect(letters.stats()).toEqual({ written: 0, dropped: 0, failed: 4 });
    rmSync(dir);
    expect(letters.write(letter())).toBe(true);
    expect(letters.write(letter())).toBe(true);
    expect(log.lines.map(({ level, fields, text }) => [level, fields.backend, text])).toEqual([
      ['error', 'db', 'Dead letters cannot be written and are lost'],
      ['error', 'other', 'Dead letters cannot be written and are lost'],
      ['info', 'db', 'Dead letters are written again'],
    ]);
    expect(log.lines[0]?.fields.error).toMatch(/EEXIST|ENOTDIR/);
    expect(letters.stats()).toEqual({ written: 2, dropped: 0, failed: 4 });
  });

  test('an older file that cannot be replaced fails the write, not the process', () => {
    const { letters } = open({ maxBytes: 200 });
    mkdirSync(join(dir, 'db.ndjson.1', 'full'), { recursive: true });
    expect(letters.write(letter())).toBe(true);
    expect(letters.write(letter())).toBe(false);
    expect(letters.stats()).toEqual({ written: 1, dropped: 0, failed: 1 });
  });
});

test('closing completes', () => {
  const events: string[] = [];
  open()
    .letters.close()
    .subscribe({ complete: () => events.push('files') });
  memoryDeadLetters()
    .close()
    .subscribe({ complete: () => events.push('memory') });
  expect(events).toEqual(['files', 'memory']);
});

test('in memory: keeps the letters and the same counts', () => {
  const letters = memoryDeadLetters();
  expect(letters.write(letter({ messages: [message(1), message(2)] }))).toBe(true);
  expect(letters.letters).toEqual([letter({ messages: [message(1), message(2)] })]);
  expect(letters.stats()).toEqual({ written: 2, dropped: 0, failed: 0 });
});
