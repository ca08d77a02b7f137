import { describe, expect, test } from '@jest/globals';
import type { Job } from '../../src/deliver/job.ts';
import { openSpools, type Spools, type SpoolUse } from '../../src/deliver/spools.ts';
import type { Message } from '../../src/message.ts';
import { numbersOf, testContext } from './fixtures.ts';
import { item, PROCESSES, turns } from './spool/fixtures.ts';
import { type ManualTime, manualTime } from './spool/manual-time.ts';
import { type MemoryDisk, memoryDisk } from './spool/memory-disk.ts';

const USE: Omit<SpoolUse, 'changed'> = {
  maxBytes: 1_000_000,
  maxAgeMs: 1_000_000,
  durable: false,
  freshBytes: 1000,
};

/** Spools below `/data/spool`; on this disk a folder's names are those of all files below it. */
async function open(disk: MemoryDisk, time: ManualTime = manualTime(), known: readonly string[] = []) {
  const context = testContext(time, () => 0.5);
  const list = async (dir: string) => (dir === '/data/spool' ? known : disk.list(dir));
  const spools = await openSpools(
    { dir: '/data/spool', disk: { ...disk, list }, processes: PROCESSES },
    context,
  );
  const lost: string[] = [];
  spools.listen((backend, reason, messages) => lost.push(`${backend} ${reason} ${messages}`));
  return { spools, lost, log: context.log, time };
}

/** A lane's way in, and how often it was told of a change. */
function enter(spools: Spools, backend = 'b', use: Partial<SpoolUse> = {}) {
  let changes = 0;
  const spool = spools.use(backend, { ...USE, changed: () => changes++, ...use });
  const takeAll = async () => {
    const jobs: Omit<Job, 'order'>[] = [];
    for (let idle = 0; idle < 3; ) {
      const job = spool.take();
      if (job === undefined) {
        idle++;
        await turns();
      } else {
        idle = 0;
        jobs.push(job);
      }
    }
    return jobs;
  };
  return { spool, takeAll, changes: () => changes };
}

/** What nobody waits for is written a little later, with what comes meanwhile. */
const written = async (time: ManualTime) => {
  await turns();
  time.advance(10);
  await turns();
};

const numbers = (jobs: readonly Omit<Job, 'order'>[]) =>
  jobs.flatMap(({ batch }) => numbersOf(batch.messages));
const asJob = (job: Omit<Job, 'order'>, order: number): Job => ({ ...job, order });
const finish = ({ spooled }: Omit<Job, 'order'>) => {
  spooled!.left = 0;
  spooled!.done();
};

describe('a spool that lanes use one after the other', () => {
  test('is taken from by the older one until it lets go; then by the newer, in order', async () => {
    const { spools, time } = await open(memoryDisk());
    const old = enter(spools);
    for (const n of [1, 2, 3]) old.spool.append(item([n]));
    expect(old.spool.take()).toBeUndefined();
    await written(time);
    const taken = [old.spool.take()!, old.spool.take()!];
    const young = enter(spools);
    young.spool.append(item([4]));
    expect(await young.takeAll()).toEqual([]);
    expect([old.spool.isShort, young.spool.isShort]).toEqual([false, false]);
    finish(taken[0]!);
    const before = young.changes();
    old.spool.release([asJob(item([0]), 0), asJob(taken[1]!, 1)]);
    expect(young.changes()).toBeGreaterThan(before);
    await written(time);
    expect(numbers(await young.takeAll())).toEqual([0, 2, 3, 4]);
  });

  test('is written to when the last one lets go, and found by the next one', async () => {
    const disk = memoryDisk();
    const { spools, time } = await open(disk);
    const lane = enter(spools);
    for (const n of [2, 3]) lane.spool.append(item([n]));
    await written(time);
    const taken = lane.spool.take()!;
    lane.spool.release([asJob(item([1]), 0), asJob(taken, 1)]);
    expect(spools.stats()).toEqual([
      {
        backend: 'b',
        messages: 3,
        bytes: expect.any(Number),
        pendingBytes: 100,
        recovered: 0,
        isFailing: false,
        isHanging: false,
      },
    ]);
    expect(await spools.close(1000)).toBe(0);

    const after = await open(disk, time, ['b']);
    const next = enter(after.spools);
    expect(next.spool.isEmpty).toBe(false);
    expect(numbers(await next.takeAll())).toEqual([1, 2, 3]);
    expect(after.spools.stats()[0]).toMatchObject({ recovered: 3, messages: 0 });
  });

  test('that nobody uses is recovered, shown and told of', async () => {
    const disk = memoryDisk();
    const first = await open(disk);
    enter(first.spools).spool.append(item([1, 2]));
    await first.spools.close(1000);
    const { spools, log, lost, time } = await open(disk, first.time, ['b']);
    await turns();
    expect(spools.stats()).toMatchObject([{ backend: 'b', messages: 2, recovered: 2 }]);
    expect(log.lines.map(({ text }) => text)).toContain(
      'Messages wait on disk for a backend that no rule sends to',
    );
    time.advance(10 * USE.maxAgeMs);
    await turns();
    expect(lost).toEqual([]);
  });

  test('that a lane has left before recovery ended, as at an early stop, is not said to be without a rule', async () => {
    const disk = memoryDisk();
    const first = await open(disk);
    enter(first.spools).spool.append(item([1, 2]));
    await first.spools.close(1000);

    const { spools, log } = await open(disk, first.time, ['b']);
    enter(spools).spool.release([]);
    await spools.close(1000);
    const told = log.lines.map(({ text }) => text);
    expect(told).toContain('Found messages of an earlier run in the spool');
    expect(told).not.toContain('Messages wait on disk for a backend that no rule sends to');
  });

  test('is done once all that was taken from it has its outcome, and told of where something was found', async () => {
    const disk = memoryDisk();
    const first = await open(disk);
    enter(first.spools).spool.append(item([1, 2]));
    await first.spools.close(1000);

    const { spools, time } = await open(disk, first.time, ['b']);
    const { spool, takeAll } = enter(spools);
    expect([spool.isDone, spool.isTold]).toEqual([false, false]);
    const [job] = await takeAll();
    expect([spool.isEmpty, spool.isDone, spool.isTold]).toEqual([true, false, true]);
    finish(job!);
    expect(spool.isDone).toBe(true);
    await spools.close(1000);

    const last = await open(disk, time, ['b']);
    const next = enter(last.spools).spool;
    await turns();
    expect([next.isDone, next.isTold]).toEqual([true, false]);
  });

  test('that nothing was written to leaves no trace', async () => {
    const disk = memoryDisk();
    const { spools } = await open(disk);
    const lane = enter(spools);
    expect([lane.spool.isEmpty, lane.spool.take(), lane.spool.pendingBytes]).toEqual([true, undefined, 0]);
    lane.spool.release([]);
    expect(await spools.close(1000)).toBe(0);
    expect(disk.files.size).toBe(0);
  });
});

describe('losses', () => {
  test('are told by backend', async () => {
    const { spools, lost, time } = await open(memoryDisk());
    const lane = enter(spools, 'b', { maxBytes: 2000, freshBytes: 0 });
    for (let n = 0; n < 30; n++) {
      lane.spool.append(item([n]));
      await written(time);
    }
    expect(lost.length).toBeGreaterThan(5);
    expect(lost.every((line) => /^b spool_full \d+$/.test(line))).toBe(true);
  });

  test('what a refusing disk leaves in memory at the end is said in a number', async () => {
    const disk = memoryDisk();
    const { spools } = await open(disk);
    const lane = enter(spools);
    disk.fail('create', 100, 'ENOSPC');
    lane.spool.append(item([1, 2]));
    lane.spool.release([asJob(item([3]), 0)]);
    expect(await spools.close(1000)).toBe(3);
  });

  test('a disk that does not answer is not waited for', async () => {
    const disk = memoryDisk();
    const hanging = { ...disk, create: () => new Promise<never>(() => {}) };
    const time = manualTime();
    const context = testContext(time);
    const spools = await openSpools({ dir: '/data/spool', disk: hanging, processes: PROCESSES }, context);
    enter(spools).spool.append(item([1, 2]));
    const closed = spools.close(1000);
    await turns();
    time.advance(1000);
    expect(await closed).toBe(2);
    expect(context.log.lines.at(-1)).toMatchObject({
      level: 'error',
      text: 'The spool could not be written in time',
      fields: { backends: ['b'], still_reading: ['b'] },
    });
  });

  test('a spool that is in use elsewhere holds nobody up in memory mode', async () => {
    const disk = memoryDisk();
    const owner = await disk.create('/data/spool/b/owner');
    await owner.write([Buffer.from('other')], 0);
    const { spools } = await open(disk, undefined, ['b']);
    const lane = enter(spools);
    await turns();
    expect(lane.spool.isEmpty).toBe(true);
    lane.spool.append(item([1]));
    await turns();
    const [job] = await lane.takeAll();
    expect(numbers([job!])).toEqual([1]);
    expect(job?.spooled).toBeUndefined();
  });
});

describe('what is on disk and synced', () => {
  const told = async (durable: boolean, awaited: readonly number[]) => {
    const safe: number[] = [];
    const unused = () => {};
    const receipts = {
      routed: unused,
      admitted: unused,
      isAwaited: (messages: readonly Message[]) => numbersOf(messages).some((n) => awaited.includes(n)),
      safe: (messages: readonly Message[]) => safe.push(...numbersOf(messages)),
    };
    const disk = memoryDisk();
    const time = manualTime();
    const context = { ...testContext(time, () => 0.5), receipts };
    const spools = await openSpools({ dir: '/data/spool', disk, processes: PROCESSES }, context);
    const { spool, takeAll } = enter(spools, 'b', { durable });
    spool.append(item([1]));
    spool.append(item([2]));
    const early = [...safe];
    await turns();
    time.advance(10);
    const jobs = await takeAll();
    return { early, safe, stored: jobs.map(({ stored }) => stored) };
  };

  test('is said once, as soon as it is', async () => {
    expect(await told(true, [1, 2])).toEqual({ early: [], safe: [1, 2], stored: [true, true] });
  });

  test('is also what somebody waits for, and all that shares its sync', async () => {
    expect(await told(false, [2])).toEqual({ early: [], safe: [2], stored: [true, true] });
  });

  test('is not said of what nobody waits for', async () => {
    expect(await told(true, [])).toEqual({ early: [], safe: [], stored: [true, true] });
  });

  test('is not said of what was only written', async () => {
    expect(await told(false, [])).toEqual({ early: [], safe: [], stored: [false, false] });
  });
});
