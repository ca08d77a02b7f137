/** Connecting anew: how often, and what a restart of the sidecar costs. */
import { setTimeout as pause } from 'node:timers/promises';
import { numbersOf, upTo } from '../load.ts';
import { type Clause, demand, equal, sizeOf, statsOf, until, type World } from '../suite.ts';

/** With each more of them a machine that is busy is likelier to close a listener ahead of a connection. */
const MOST_RESTARTS = 20;

/**
 * Records while the sidecar restarts again and again; `undefined` where that says nothing: a connection that the kernel
 * had made was not accepted yet when the listener closed, and what was sent on it is lost to whoever asks for no
 * acknowledgement.
 */
async function restarted(world: World): Promise<string | undefined> {
  const busy = await world.fake();
  const worker = await world.client(busy, { quiet: true });
  const count = sizeOf(world, { fast: 4000, r: 800, full: 100_000, fullR: 8000 });
  let isOver = false;
  const working = worker.calls(upTo(count).map((n) => ['event', 'info', 'busy', { n }])).finally(() => {
    isOver = true;
  });
  let restarts = 0;
  while (!isOver && restarts < MOST_RESTARTS) {
    await pause(world.isFull ? 200 : 40);
    await busy.stop('drain');
    await busy.start();
    restarts++;
  }
  await working;
  for (let nth = 0; nth < 40 && (await worker.call('flush', 0.5)).done !== '1'; nth++) {}
  const { full = 0, connects = 0 } = await statsOf(worker);
  const hasAll = () => numbersOf(busy).length >= count - full;
  await until(hasAll, '', 5000).catch(() => {});
  if (!hasAll() && connects > busy.connections.length) return undefined;
  demand(hasAll(), `${numbersOf(busy).length} of ${count - full} arrived over ${restarts} restarts`);
  equal([new Set(numbersOf(busy)).size, busy.torn()], [count - full, []], 'distinct records');
  return `${count} records over ${restarts} restarts`;
}

export const RECONNECTION: readonly Clause[] = [
  {
    id: 'C11',
    title: 'one attempt a step of a growing pause, not one a call',
    async run({ fake, client }) {
      const sidecar = await fake({ isHangingUp: true });
      const adapter = await client({ port: sidecar.port }, { quiet: true }).catch((error) => error);
      const endMs = Date.now() + 2000;
      let calls = 0;
      while (Date.now() < endMs) {
        await adapter.calls(Array.from({ length: 20 }, () => ['event', 'info', 'again'] as const));
        await pause(5);
        calls += 20;
      }
      const attempts = sidecar.connections.length;
      demand(attempts >= 2 && attempts <= 30, `${attempts} attempts in 2 s and ${calls} calls`);
      return `${attempts} attempts in 2 s and ${calls} calls`;
    },
  },
  {
    id: 'C12',
    title: 'a restart of the sidecar loses nothing, while the program is idle and while it works',
    async run(world) {
      const { fake, client } = world;
      const idle = await fake();
      const sleeper = await client(idle);
      await sleeper.call('event', 'info', 'before');
      await until(() => idle.records().length === 1, 'the first record did not arrive');
      await idle.stop('drain');
      await idle.start();
      await pause(1200);
      await sleeper.call('event', 'info', 'after');
      await sleeper.call('flush', 5);
      await until(() => idle.records().length === 2, 'the record after the restart did not arrive', 5000);
      for (let attempt = 1; ; attempt++) {
        const found = await restarted(world);
        if (found !== undefined) return found;
        demand(attempt < 5, 'each time a connection was not accepted before the listener closed');
      }
    },
  },
];
