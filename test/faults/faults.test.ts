// A few random schedules of faults; `scripts/faults.js` plays as many as one likes.
import { afterAll, afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { type Server, startServer } from '../postgres-server.ts';
import { closeAll, TEST_MS } from '../processes.ts';
import { createLedger } from './ledger.ts';
import { describeResult, play } from './play.ts';
import { createRandom, describeSchedule, scheduleOf } from './schedule.ts';
import { canMount } from './world.ts';

jest.setTimeout(TEST_MS);
afterEach(closeAll);

const SCHEDULES = 8;
const firstSeed = Number(process.env.FAULTS_SEED ?? Math.floor(Math.random() * 1e6));

// Past jest, which shows names only of what fails.
process.stderr.write(`faults: seeds from ${firstSeed}\n`);

describe(`whatever goes wrong, seeds from ${firstSeed}`, () => {
  let server: Server;
  beforeAll(async () => {
    server = await startServer();
  }, TEST_MS);
  afterAll(() => server?.remove());

  test.each(Array.from({ length: SCHEDULES }, (_, n) => firstSeed + n))(
    'seed %i: what was durable arrives, and nothing that was not sent',
    async (seed) => {
      const isMountable = canMount();
      const result = await play(
        scheduleOf(seed, (subject) => subject !== 'disk' || isMountable),
        server,
      );
      const repeat = `repeat it: node scripts/faults.js --schedules 1 --seed ${seed}`;
      if (result.broken.length > 0) throw new Error(`${describeResult(result)}\n${repeat}`);
      expect(result.sent).toBeGreaterThan(0);
    },
  );
});

describe('a schedule', () => {
  const any = () => true;

  test('is the same for the same seed', () => {
    expect(scheduleOf(7, any)).toEqual(scheduleOf(7, any));
    expect(describeSchedule(scheduleOf(7, any))).not.toBe(describeSchedule(scheduleOf(8, any)));
  });

  test('does not change otherwise where something is not possible', () => {
    for (let seed = 0; seed < 100; seed++) {
      const all = scheduleOf(seed, any).faults.filter(({ subject }) => subject !== 'disk');
      expect(scheduleOf(seed, (subject) => subject !== 'disk').faults).toEqual(all);
    }
  });

  test('two hundred of them have every kind of fault', () => {
    const faults = Array.from({ length: 200 }, (_, seed) => scheduleOf(seed, any).faults).flat();
    expect([...new Set(faults.map(({ subject, kind }) => `${subject} ${kind}`))].sort()).toEqual([
      'clock jump',
      'database kill',
      'disk full',
      'folder gone',
      'network black hole',
      'network cut after',
      'network cut the answer after',
      'network delay',
      'network reset',
      'sidecar SIGKILL',
      'sidecar SIGSTOP',
    ]);
  });

  test('draws from a generator that repeats itself by seed and stays below 1', () => {
    const [a, b] = [createRandom(1), createRandom(1)];
    const drawn = Array.from({ length: 1000 }, a);
    expect(drawn).toEqual(Array.from({ length: 1000 }, b));
    expect(drawn.every((value) => value >= 0 && value < 1)).toBe(true);
    expect(new Set(drawn).size).toBeGreaterThan(990);
  });
});

describe('the ledger', () => {
  const found = (...numbers: number[]) => numbers.map((n) => ({ source: 'a', n }));

  test('finds what is owed and missing, never sent, there twice, and out of order', () => {
    const ledger = createLedger();
    expect(ledger.send('a', 10)).toBe(0);
    expect(ledger.send('a', 10)).toBe(10);
    ledger.owe('a', 0, 5);
    expect([ledger.sent(), ledger.owed()]).toEqual([20, 5]);
    expect(ledger.judge(found(0, 1, 2, 3, 4))).toEqual({
      missing: [],
      foreign: 0,
      duplicated: 0,
      disordered: 0,
    });
    expect(ledger.judge([...found(0, 3, 1, 1, 12, 20), { source: 'b', n: 0 }])).toEqual({
      missing: ['a 2', 'a 4'],
      foreign: 2,
      duplicated: 1,
      disordered: 1,
    });
  });

  test('knows that nothing can be owed that was not sent', () => {
    const ledger = createLedger();
    ledger.send('a', 1);
    expect(() => ledger.owe('a', 0, 2)).toThrow('a: 2 records are durable, 1 were sent');
  });
});
