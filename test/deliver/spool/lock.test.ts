import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { realDisk } from '../../../src/deliver/spool/disk.ts';
import { createLock, linuxProcesses, type Processes } from '../../../src/deliver/spool/lock.ts';
import { closeAll, createFolder } from '../../processes.ts';
import { turns } from './fixtures.ts';
import { manualTime } from './manual-time.ts';
import { memoryDisk } from './memory-disk.ts';

afterEach(closeAll);

/** Processes by name: alive, dead, or (absent) not to be seen from here. */
const among = (self: string, others: Record<string, boolean>): Processes => ({
  self: async () => self,
  isAlive: async (name) => others[name],
});

describe('a folder belongs to one process at a time', () => {
  test('the second one gets it once the first has let go', async () => {
    const disk = memoryDisk();
    const time = manualTime();
    const a = createLock('/d', disk, time, among('a', { b: true }));
    const b = createLock('/d', disk, time, among('b', { a: true }));
    expect(await a.acquire()).toBe(true);
    expect(await a.acquire()).toBe(true);
    expect(await b.acquire()).toBe(false);
    await b.release();
    expect(await b.acquire()).toBe(false);
    await a.release();
    expect(await b.acquire()).toBe(true);
  });

  test('a dead one is succeeded at once', async () => {
    const disk = memoryDisk();
    const time = manualTime();
    await createLock('/d', disk, time, among('a', {})).acquire();
    expect(await createLock('/d', disk, time, among('b', { a: false })).acquire()).toBe(true);
  });

  test('one that cannot be seen is succeeded once it was silent for a while', async () => {
    const disk = memoryDisk();
    const time = manualTime();
    const session = disk.session();
    const far = createLock('/d', session, time, among('far', {}));
    const near = createLock('/d', disk, time, among('near', {}));
    await far.acquire();
    for (let s = 0; s < 30; s++) {
      expect(await near.acquire()).toBe(false);
      time.advance(1000);
      await turns();
    }
    // From now on `far` touches nothing.
    await far.release();
    const file = await disk.create('/d/owner');
    await file.write([Buffer.from('far')], 0);
    let waitedS = 0;
    for (; !(await near.acquire()); waitedS++) time.advance(1000);
    expect(waitedS).toBe(15);
  });

  test('how long it was silent is not told by clocks, which may be set', async () => {
    const disk = memoryDisk();
    const time = manualTime();
    const file = await disk.create('/d/owner');
    await file.write([Buffer.from('far')], 0);
    let setByMs = 1_900_000;
    const clock = Object.assign(Object.create(time), { now: () => time.now() + setByMs });
    const near = createLock('/d', disk, clock, among('near', {}));
    expect(await near.acquire()).toBe(false);
    setByMs = 0;
    time.advance(14_000);
    expect(await near.acquire()).toBe(false);
    setByMs = 1_900_000;
    expect(await near.acquire()).toBe(false);
    setByMs = 0;
    time.advance(1000);
    expect(await near.acquire()).toBe(true);
  });

  test('one that was killed before it had said its name is succeeded after a second', async () => {
    const disk = memoryDisk();
    const time = manualTime();
    await disk.create('/d/owner');
    const next = createLock('/d', disk, time, among('next', {}));
    expect(await next.acquire()).toBe(false);
    time.advance(1000);
    expect(await next.acquire()).toBe(true);
  });

  test('one that says its name too late does not have the folder', async () => {
    const disk = memoryDisk();
    const time = manualTime();
    let say = () => {};
    const late = {
      ...disk,
      create: async (path: string) => {
        const file = await disk.create(path);
        const said = new Promise<void>((resolve) => {
          say = resolve;
        });
        return {
          ...file,
          write: async (...args: Parameters<typeof file.write>) => {
            await said;
            await file.write(...args);
          },
        };
      },
    };
    const slow = createLock('/d', late, time, among('slow', { next: true })).acquire();
    await turns();
    const next = createLock('/d', disk, time, among('next', { slow: true }));
    expect(await next.acquire()).toBe(false);
    time.advance(1000);
    expect(await next.acquire()).toBe(true);
    say();
    expect(await slow).toBe(false);
    expect(disk.files.get('/d/owner')?.bytes.toString()).toBe('next');
  });

  test('a full disk leaves no lock of nobody', async () => {
    const disk = memoryDisk();
    const lock = createLock('/d', disk, manualTime(), among('a', {}));
    disk.fail('write', 1, 'ENOSPC');
    await expect(lock.acquire()).rejects.toThrow();
    expect(await lock.acquire()).toBe(true);
  });
});

describe('processes of this system', () => {
  test('this one has a name and is alive; a name of nobody is not', async () => {
    const self = await linuxProcesses.self();
    expect(await linuxProcesses.isAlive(self)).toBe(true);
    expect(await linuxProcesses.isAlive(self.replace(/ \d+$/, ' 1'))).toBe(false);
    expect(await linuxProcesses.isAlive('another host')).toBeUndefined();
    expect(await linuxProcesses.isAlive('')).toBeUndefined();
  });

  test('a lock whose process has ended is taken over', async () => {
    const dir = join(createFolder(), 'spool');
    const self = await linuxProcesses.self();
    const child = spawn('sleep', ['60']);
    const pid = child.pid ?? 0;
    const stat = `/proc/${pid}/stat`;
    const fields = readFileSync(stat, 'utf8').split(') ')[1]?.split(' ');
    mkdirSync(dir);
    writeFileSync(join(dir, 'owner'), self.replace(/ \d+ \d+$/, ` ${pid} ${fields?.[19]}`));
    const lock = createLock(dir, realDisk, manualTime(), linuxProcesses);
    expect(await lock.acquire()).toBe(false);
    child.kill('SIGKILL');
    await once(child, 'exit');
    expect(await lock.acquire()).toBe(true);
    await lock.release();
  });
});
