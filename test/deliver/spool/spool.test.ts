import { describe, expect, test } from '@jest/globals';
import type { SpoolDisk } from '../../../src/deliver/spool/disk.ts';
import type { Taken } from '../../../src/deliver/spool/spool.ts';
import { jsonOf } from '../../../src/message.ts';
import { numberOf } from '../fixtures.ts';
import { DIR, item, type Rig, rig, SPOOL, turns } from './fixtures.ts';
import { memoryDisk, systemError } from './memory-disk.ts';

const segments = (disk: ReturnType<typeof memoryDisk>) =>
  [...disk.files.keys()].filter((path) => path.endsWith('.segment')).sort();

describe('first in, first out', () => {
  test('what was appended is taken in order once it is on disk', async () => {
    const { spool, drain } = rig(memoryDisk());
    for (const n of [1, 2, 3]) spool.append(item([n, n + 10]));
    expect(spool.take()).toBeUndefined();
    expect(spool.stats()).toMatchObject({ unread: 0, pending: 6, pendingBytes: 600, memoryBytes: 600 });
    expect(await spool.flush()).toBe(true);
    expect(spool.stats()).toMatchObject({ unread: 6, pending: 0, pendingBytes: 0, memoryBytes: 600 });
    expect(await drain()).toEqual([1, 11, 2, 12, 3, 13]);
    expect(spool.stats()).toMatchObject({ unread: 0, memoryBytes: 0 });
  });

  test('what is not in memory any more is read, over the ends of segments', async () => {
    const disk = memoryDisk();
    const { spool, drain } = rig(disk, { freshBytes: 250 });
    const numbers = Array.from({ length: 50 }, (_, n) => n);
    for (const n of numbers) {
      spool.append(item([n]));
      await spool.flush();
    }
    expect(segments(disk).length).toBeGreaterThan(3);
    expect(await drain()).toEqual(numbers);
  });

  test('a restart finds what was not done with, and nothing else', async () => {
    const disk = memoryDisk();
    const first = rig(disk);
    for (const n of [1, 2, 3, 4, 5]) first.spool.append(item([n]));
    await first.spool.flush();
    expect(await first.drain((n) => n !== 3)).toEqual([1, 2, 3, 4, 5]);
    expect(await first.spool.close()).toEqual([]);
    // One that takes nothing changes nothing.
    const idle = rig(disk);
    await idle.spool.flush();
    await idle.spool.close();
    const second = rig(disk);
    expect(await second.spool.flush()).toBe(true);
    expect(second.recovered).toEqual([1]);
    expect(await second.drain()).toEqual([3]);
    await second.spool.close();
    const third = rig(disk);
    await third.spool.flush();
    expect(third.recovered).toEqual([0]);
  });

  test('what is prepended comes before everything on disk, after a restart too', async () => {
    const disk = memoryDisk();
    const first = rig(disk);
    for (const n of [3, 4]) first.spool.append(item([n]));
    await first.spool.flush();
    first.spool.prepend([item([1]), item([2])]);
    await first.spool.flush();
    expect(first.spool.stats().pending).toBe(0);
    first.spool.append(item([5]));
    await first.spool.close();
    const second = rig(disk);
    await second.spool.flush();
    expect(await second.drain()).toEqual([1, 2, 3, 4, 5]);
  });

  test('an item comes back as it was', async () => {
    const disk = memoryDisk();
    const original = item([1, 2], {
      target: Object.freeze({ key: 'k', table: 'a.b' }),
      priority: 7,
      whenFull: 'block',
      sends: 2,
      failures: 1,
      vain: { sends: 2, error: 'refused' },
    });
    const first = rig(disk);
    first.spool.append(original);
    await first.spool.close();
    const { spool } = rig(disk);
    await spool.flush();
    spool.take();
    await turns();
    const back = spool.take()?.item;
    expect(back).toMatchObject({ ...original, batch: { ...original.batch, messages: expect.anything() } });
    expect(back?.batch.messages.map(jsonOf)).toEqual(original.batch.messages.map(jsonOf));
  });

  test('an empty spool leaves no segment behind', async () => {
    const disk = memoryDisk();
    const { spool, drain, time, log } = rig(disk);
    for (const pauseMs of [0, 1000, 1000]) {
      spool.append(item([1]));
      await spool.flush();
      expect(await drain()).toEqual([1]);
      time.advance(pauseMs);
      await turns();
    }
    expect(segments(disk)).toEqual([]);
    expect(log.lines).toEqual([]);
  });

  test('nothing is touched on disk before the first item', async () => {
    const disk = memoryDisk();
    rig(disk);
    await turns();
    expect(disk.files.size).toBe(0);
  });
});

describe('bounds', () => {
  test('at its bound the oldest segments go, counted', async () => {
    const { spool, drain, lost } = rig(memoryDisk(), { maxBytes: 4000, freshBytes: 0 });
    for (let n = 0; n < 30; n++) {
      spool.append(item([n]));
      await spool.flush();
    }
    const left = await drain();
    const dropped = lost.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0);
    expect(lost.every((line) => line.startsWith('spool_full '))).toBe(true);
    expect(left).toEqual(Array.from({ length: 30 - dropped }, (_, n) => n + dropped));
    expect(left.length).toBeGreaterThan(3);
    expect(dropped).toBeGreaterThan(10);
  });

  test('what was counted as dropped does not come back, though its segment still had what is being sent', async () => {
    const disk = memoryDisk();
    const { spool, lost, time } = rig(disk, { maxBytes: 4000 });
    spool.append(item([0]));
    await spool.flush();
    spool.take();
    for (let n = 1; n < 30; n++) {
      spool.append(item([n]));
      await spool.flush();
    }
    const dropped = lost.reduce((sum, line) => sum + Number(line.split(' ')[1]), 0);
    await spool.close();
    const again = rig(disk, {}, time);
    await again.spool.flush();
    expect(dropped).toBeGreaterThan(10);
    expect(await again.drain()).toEqual([
      0,
      ...Array.from({ length: 29 - dropped }, (_, n) => n + 1 + dropped),
    ]);
  });

  describe('what must not be dropped waits in memory', () => {
    const overfill = async (beyond: number) => {
      const full = rig(memoryDisk(), { maxBytes: 2000, segmentBytes: 500 });
      let count = 0;
      while (full.spool.stats().pending < beyond) {
        full.spool.append(item([count++], { whenFull: 'block' }));
        await full.spool.flush();
      }
      expect(await full.spool.flush()).toBe(false);
      return { ...full, count };
    };

    test('until there is room', async () => {
      const { drain, lost, count } = await overfill(16);
      expect(await drain()).toEqual(Array.from({ length: count }, (_, n) => n));
      expect(lost).toEqual([]);
    });

    test('and no longer, though there is more before it', async () => {
      const { spool } = await overfill(1);
      while (spool.stats().pending > 0) {
        expect(spool.take()).toBeDefined();
        await turns();
      }
      expect(spool.stats().unread).toBeGreaterThan(1);
    });

    test('and no longer, if it may have more', async () => {
      const { spool } = await overfill(1);
      spool.configure({ ...SPOOL, maxBytes: 1_000_000 });
      await turns();
      expect(spool.stats().pending).toBe(0);
    });
  });

  test('what is too old goes, counted', async () => {
    const { spool, drain, lost, time } = rig(memoryDisk(), { maxAgeMs: 5000 });
    spool.append(item([1, 2], { offeredMs: time.now() }));
    await spool.flush();
    time.advance(4000);
    await turns();
    expect(lost).toEqual([]);
    time.advance(1500);
    await turns();
    expect(lost).toEqual(['spool_expired 2']);
    expect(await drain()).toEqual([]);
  });
});

describe('what is put back', () => {
  /** Takes what there is and leaves it there. */
  const leaveAll = async ({ spool }: Rig) => {
    const taken: Taken[] = [];
    for (let idle = 0; idle < 3; ) {
      const one = spool.take();
      if (one !== undefined) taken.push(one);
      else {
        idle++;
        await turns();
      }
    }
    for (const { putBack } of taken.reverse()) putBack();
  };

  test('waits, in its order and before what comes later, until its target is not aside', async () => {
    const one = rig(memoryDisk());
    const { spool, drain } = one;
    for (const n of [1, 2, 3, 4]) spool.append(item([n], { target: { key: n % 2 === 0 ? 'even' : 'odd' } }));
    await spool.flush();
    await leaveAll(one);
    for (const n of [5, 6]) spool.append(item([n], { target: { key: n % 2 === 0 ? 'even' : 'odd' } }));
    await spool.flush();
    expect(spool.stats()).toMatchObject({ unread: 6, isInMemory: false });
    expect(spool.isEmpty).toBe(false);
    const aside = { has: (target: string) => target === 'odd' };
    expect(await drain(() => true, aside)).toEqual([2, 4, 6]);
    expect(spool.isEmpty).toBe(false);
    expect(await drain()).toEqual([1, 3, 5]);
    expect(spool.isEmpty).toBe(true);
  });

  test('comes back in its order, whatever was put back first', async () => {
    const { spool, drain } = rig(memoryDisk());
    for (const n of [1, 2, 3, 4, 5]) spool.append(item([n]));
    await spool.flush();
    const taken = [1, 2, 3, 4, 5].map(() => spool.take()!);
    for (const nth of [0, 4, 3, 1, 2]) taken[nth]?.putBack();
    expect(await drain()).toEqual([1, 2, 3, 4, 5]);
  });

  test('is there after a restart, what was done with behind it is not', async () => {
    const disk = memoryDisk();
    const first = rig(disk);
    for (const n of [1, 2, 3]) first.spool.append(item([n]));
    await first.spool.flush();
    expect(await first.drain((n) => n === 2)).toEqual([1, 2, 3]);
    await first.spool.close();
    const second = rig(disk);
    await second.spool.flush();
    expect(second.recovered).toEqual([2]);
    await leaveAll(second);
    await second.spool.close();
    const third = rig(disk);
    await third.spool.flush();
    expect(third.recovered).toEqual([2]);
    expect(await third.drain()).toEqual([1, 3]);
  });

  test.each([
    ['spool_full', { maxBytes: 4000 }],
    ['spool_expired', { maxAgeMs: 5000 }],
  ])('is given up like the others (%s), and does not come back after a restart', async (reason, options) => {
    const disk = memoryDisk();
    const one = rig(disk, options);
    const { spool, lost, time } = one;
    for (const n of [1, 2]) spool.append(item([n], { offeredMs: time.now() }));
    await spool.flush();
    const held = spool.take();
    await leaveAll(one);
    for (let n = 3; reason === 'spool_full' && lost.length === 0; n++) {
      spool.append(item([n], { offeredMs: time.now() }));
      await spool.flush();
    }
    time.advance(6000);
    await turns();
    expect(lost[0]).toMatch(reason);
    expect(held?.item.batch.messages.map(numberOf)).toEqual([1]);
    await spool.close();
    const again = rig(disk, {}, time);
    await again.spool.flush();
    const found = await again.drain();
    expect(found[0]).toBe(1);
    expect(found).not.toContain(2);
  });

  test('and damaged meanwhile is passed over and counted', async () => {
    const disk = memoryDisk();
    const one = rig(disk);
    for (const n of [1, 2, 3]) one.spool.append(item([n, n + 10]));
    await one.spool.flush();
    await leaveAll(one);
    const [path = ''] = segments(disk);
    disk.flip(path, 8 * 700);
    expect(await one.drain()).toEqual([1, 11, 3, 13]);
    expect(one.lost).toEqual(['spool_corrupt 2']);
    expect(one.spool.stats().unread).toBe(0);
  });
});

describe('faults', () => {
  test.each(['write', 'sync', 'create'] as const)(
    'a disk that refuses to %s is tried again',
    async (kind) => {
      const disk = memoryDisk();
      const { spool, drain, time, log } = rig(disk, { segmentBytes: 100 });
      spool.append(item([1]));
      await spool.flush();
      disk.fail(kind, 2, 'ENOSPC');
      for (const n of [2, 3]) spool.append(item(Array.from({ length: 20 }, (_, i) => n * 100 + i)));
      expect(await spool.flush()).toBe(false);
      expect(spool.stats()).toMatchObject({ isFailing: true, pending: 40 });
      for (let s = 0; s < 3; s++) {
        time.advance(1000);
        await turns();
      }
      expect(spool.stats()).toMatchObject({ isFailing: false, pending: 0 });
      expect((await drain()).length).toBe(41);
      expect(log.lines.map(({ level, text }) => `${level} ${text}`)).toEqual([
        'error The spool cannot be used; trying again',
        'info The spool is written again',
      ]);
      disk.crash(() => 0);
      const after = rig(disk);
      await after.spool.flush();
    },
  );

  test('a disk that does not answer is told of once, and goes on where it was', async () => {
    const disk = memoryDisk();
    let answer = () => {};
    const answered = new Promise<void>((resolve) => {
      answer = resolve;
    });
    const hanging = {
      ...disk,
      create: async (path: string) => {
        const file = await disk.create(path);
        return {
          ...file,
          write: (...args: Parameters<typeof file.write>) => answered.then(() => file.write(...args)),
        };
      },
    };
    const { spool, drain, time, log } = rig(hanging);
    for (const n of [1, 2]) spool.append(item([n]));
    for (let s = 0; s < 30; s++) {
      await turns();
      time.advance(1000);
    }
    expect(spool.stats()).toMatchObject({ isFailing: false, isHanging: true, pending: 2 });
    answer();
    await turns();
    expect(spool.stats()).toMatchObject({ isFailing: false, isHanging: false });
    time.advance(60_000);
    await turns();
    expect(await drain()).toEqual([1, 2]);
    expect(log.lines.map(({ level, text }) => `${level} ${text}`)).toEqual([
      'error The disk of the spool does not answer; once the queue is full, clients wait for it',
      'info The spool is written again',
    ]);
  });

  test('while the disk refuses, pending items can be given up', async () => {
    const disk = memoryDisk();
    const { spool, drain } = rig(disk);
    disk.fail('write', 1, 'EIO');
    for (const n of [1, 2, 3]) spool.append(item([n]));
    expect(spool.dropPending(150)).toEqual([]);
    await spool.flush();
    expect(spool.dropPending(150).length).toBe(2);
    await spool.flush();
    expect(await drain()).toEqual([3]);
    disk.fail('write', 1, 'EIO');
    spool.append(item([4]));
    await spool.flush();
    expect(spool.dropPending(1_000_000).length).toBe(1);
    expect(spool.stats().pending).toBe(0);
  });

  test('while the disk refuses, what need not be on it first is taken from memory, and once', async () => {
    const disk = memoryDisk();
    const duringWrites: unknown[] = [];
    const create = async (path: string) => {
      const file = await disk.create(path);
      const write: typeof file.write = (buffers, position) => {
        if (path.endsWith('.segment')) duringWrites.push(spool.take()?.item.batch.id);
        return file.write(buffers, position);
      };
      return { ...file, write };
    };
    const { spool, drain, time } = rig({ ...disk, create }, { durable: false });
    disk.fail('write', 1, 'EIO');
    for (const n of [1, 2, 3]) spool.append(item([n]));
    await spool.flush();
    expect(spool.take()).toMatchObject({ onDisk: false, item: { batch: { messages: { length: 1 } } } });
    expect(spool.stats().pending).toBe(2);
    time.advance(1000);
    await turns();
    expect(duringWrites).toEqual([undefined, undefined]);
    expect(await drain()).toEqual([2, 3]);
    expect(spool.stats()).toMatchObject({ pending: 0, pendingBytes: 0 });
  });

  test('a frame that is damaged while the spool runs is passed over and counted', async () => {
    const disk = memoryDisk();
    const { spool, drain, lost } = rig(disk, { freshBytes: 0 });
    for (const n of [1, 2, 3, 4]) {
      spool.append(item([n, n + 10]));
      await spool.flush();
    }
    const [path = ''] = segments(disk);
    disk.flip(path, 8 * 700);
    expect(await drain()).toEqual([1, 11, 3, 13, 4, 14]);
    expect(lost).toEqual(['spool_corrupt 2']);
  });

  test('a segment that vanishes while the spool runs is counted', async () => {
    const disk = memoryDisk();
    const { spool, drain, lost } = rig(disk, { freshBytes: 0 });
    for (const n of [1, 2]) {
      spool.append(item(Array.from({ length: 20 }, (_, i) => n * 100 + i)));
      await spool.flush();
    }
    disk.lose(segments(disk)[0] ?? '');
    expect((await drain()).length).toBe(20);
    expect(lost).toEqual(['spool_corrupt 20']);
  });

  test('a read that fails is repeated after a while', async () => {
    const disk = memoryDisk();
    const { spool, drain, time } = rig(disk, { freshBytes: 0 });
    spool.append(item([1]));
    await spool.flush();
    disk.fail('read', 1, 'EIO');
    expect(await drain()).toEqual([]);
    time.advance(1000);
    expect(await drain()).toEqual([1]);
  });

  test('what comes while a segment cannot be read comes behind it', async () => {
    const disk = memoryDisk();
    const unreadable: SpoolDisk = {
      ...disk,
      read: (path, from, to) =>
        path.endsWith('.segment') ? Promise.reject(systemError('EIO')) : disk.read(path, from, to),
    };
    for (const n of [1, 2, 3]) {
      const { spool } = rig(unreadable);
      spool.append(item([n]));
      await spool.flush();
      await spool.close();
    }
    const { spool, drain } = rig(disk);
    await spool.flush();
    expect(await drain()).toEqual([1, 2, 3]);
  });

  test('empty and unknown files are survived', async () => {
    const disk = memoryDisk();
    for (const name of ['0000001000000001-00000000.segment', 'README', 'cursor', 'x.segment']) {
      await (await disk.create(`${DIR}/${name}`)).close();
    }
    const { spool, drain } = rig(disk);
    spool.append(item([1]));
    expect(await spool.flush()).toBe(true);
    expect(await drain()).toEqual([1]);
    expect([...disk.files.keys()]).toEqual(expect.arrayContaining([`${DIR}/README`, `${DIR}/x.segment`]));
  });
});

describe('two processes', () => {
  test('a folder that another process uses is waited for', async () => {
    const disk = memoryDisk();
    const owner = await disk.create(`${DIR}/owner`);
    await owner.write([Buffer.from('other')], 0);
    const { spool, drain, time, log } = rig(disk, { segmentBytes: 100 });
    spool.append(item([1]));
    expect(await spool.flush()).toBe(false);
    expect(log.lines[0]?.fields).toMatchObject({ error: 'Error: another process uses this folder' });
    await disk.remove(`${DIR}/owner`);
    time.advance(1000);
    await turns();
    expect(await drain()).toEqual([1]);
    await spool.close();
    expect([...disk.files.keys()].filter((path) => path.endsWith('owner'))).toEqual([]);
  });

  test('one that was left by a dead process is taken over', async () => {
    const disk = memoryDisk();
    const owner = await disk.create(`${DIR}/owner`);
    await owner.write([Buffer.from('gone')], 0);
    const { spool } = rig(disk);
    spool.append(item([1]));
    expect(await spool.flush()).toBe(true);
  });
});
