import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import fc from 'fast-check';
import { DIR } from './fixtures.ts';
import { memoryDisk } from './memory-disk.ts';
import { type Command, check, commands } from './model.ts';
import { faultyRealDisk } from './real-disk.ts';

jest.setTimeout(300_000);

const RUNS = Number(process.env.SPOOL_RUNS ?? 10_000);
const REAL_RUNS = Math.ceil(RUNS / 40);
const seed = Number(process.env.SPOOL_SEED ?? Date.now() % 2 ** 31);
/** A segment that recovery cannot read is there again after the next one: what came meanwhile stays behind it. */
const UNREADABLE: [Command[], number] = [
  [
    { kind: 'fail', what: 'read', times: 3 },
    { kind: 'sync' },
    { kind: 'append', sizes: [0] },
    { kind: 'fail', what: 'create', times: 1 },
    { kind: 'take', count: 1, acks: [] },
    { kind: 'close' },
    { kind: 'append', sizes: [0] },
    { kind: 'sync' },
    { kind: 'crash', draws: [0] },
    { kind: 'append', sizes: [0] },
  ],
  0,
];

const freshBytes = fc.constantFrom(0, 300, 1_000_000);

test(`nothing durable is ever missing, over ${RUNS} sequences of what can happen (seed ${seed})`, async () => {
  const property = fc.asyncProperty(commands, freshBytes, (sequence, fresh) =>
    check(sequence, fresh, memoryDisk(), DIR),
  );
  await fc.assert(property, { numRuns: RUNS, seed, examples: [UNREADABLE] });
  expect.hasAssertions();
});

test(`nor over ${REAL_RUNS} of them on the real disk (seed ${seed})`, async () => {
  const property = fc.asyncProperty(commands, freshBytes, async (sequence, fresh) => {
    const dir = mkdtempSync(join(tmpdir(), 'spool-model-'));
    const disk = faultyRealDisk(dir);
    try {
      await check(sequence, fresh, disk, dir);
    } finally {
      // Closes what is open still.
      disk.crash(() => 0);
      rmSync(dir, { recursive: true, force: true, maxRetries: 5 });
    }
  });
  await fc.assert(property, { numRuns: REAL_RUNS, seed });
  expect.hasAssertions();
});
