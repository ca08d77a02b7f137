import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import { realDisk } from '../../../src/deliver/spool/disk.ts';
import { closeAll, createFolder, ROOT, until } from '../../processes.ts';
import { type Rig, rig } from './fixtures.ts';

jest.setTimeout(300_000);
afterEach(closeAll);

/** Runs the victim until it kills itself at a step; says what it was promised, and how it ended. */
function run(dir: string, step: number) {
  const { stdout, stderr, signal, status } = spawnSync(
    process.execPath,
    [join(ROOT, 'test/deliver/spool/victim.js'), dir, String(step)],
    { cwd: ROOT, encoding: 'utf8' },
  );
  const said = (what: string) =>
    [...stdout.matchAll(/^(\w+) (\d+)$/gm)].filter(([, word]) => word === what).map(([, , n]) => Number(n));
  return { durable: said('durable'), acked: said('acked'), signal, status, stderr };
}

test('killed at any step of the life of its segments, it loses nothing durable', async () => {
  let step = 1;
  for (let ended = false; !ended; step++) {
    const dir = createFolder();
    const { durable, acked, signal, status, stderr } = run(dir, step);
    ended = signal === null;
    if (ended) expect([status, stderr]).toEqual([0, '']);
    const after = rig(realDisk, { maxAgeMs: Number.POSITIVE_INFINITY }, undefined, dir);
    const { spool, log } = after;
    expect([await spool.flush(), log.lines.filter(({ level }) => level === 'error')]).toEqual([true, []]);
    const found = await drainAll(after);
    const missing = durable.filter((n) => !acked.includes(n) && !found.includes(n));
    expect({ step, missing }).toEqual({ step, missing: [] });
    await spool.close();
    expect(readdirSync(dir).filter((name) => name.endsWith('.segment'))).toEqual([]);
  }
  // The steps of three segments with their cursor and lock: fewer would mean that the victim did not do its work.
  expect(step).toBeGreaterThan(30);
});

async function drainAll({ spool, drain }: Rig): Promise<number[]> {
  const found: number[] = [];
  await until(async () => {
    found.push(...(await drain()));
    return spool.stats().unread === 0;
  }, 'everything is read');
  return found;
}
