import { expect, test } from '@jest/globals';
import { asyncScheduler, EMPTY, NEVER } from 'rxjs';
import { openLanes } from '../../src/deliver/lanes.ts';
import { delivery, fakeSink, OPTIONS, testContext } from './fixtures.ts';
import { collectGarbage } from './garbage.ts';

/** Reloads a thousand times; `send` is what the sinks that are replaced answer. Says how many sinks are still alive. */
async function aliveAfterReloads(send: typeof EMPTY, drainMs: number): Promise<number> {
  const lanes = openLanes(testContext(asyncScheduler), { drainMs });
  const opened: WeakRef<object>[] = [];
  for (let n = 0; n < 1000; n++) {
    const open = () => {
      const sink = fakeSink(asyncScheduler, () => send);
      opened.push(new WeakRef(sink));
      return { sink, options: OPTIONS };
    };
    lanes.reconcile(new Map([['b', { fingerprint: `${n}`, open }]]));
    lanes.offer(delivery([n]));
  }
  await collectGarbage(() => opened.filter((ref) => ref.deref()).length <= 1);
  const alive = opened.filter((ref) => ref.deref() !== undefined).length;
  lanes.close(0);
  return alive;
}

test('a replaced lane is garbage once it has drained', async () => {
  expect(await aliveAfterReloads(EMPTY, 60_000)).toBe(1);
}, 60_000);

test('… or once its deadline is over', async () => {
  expect(await aliveAfterReloads(NEVER, 0)).toBe(1);
}, 60_000);
