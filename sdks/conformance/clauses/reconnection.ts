/** Connecting anew: how often, and what a restart of the sidecar costs. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Connection } from '../fake-sidecar.ts';
import { fillUp, logUntil, numbersOf, upTo } from '../load.ts';
import { type Clause, demand, equal, sizeOf, statsOf, until, type World } from '../suite.ts';
import type { Value } from '../values.ts';

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
  // A connection counts for the client once it has sent something on it.
  const used = busy.connections.filter((one) => one.bytes().length > 0);
  if (!hasAll() && connects > used.length) return undefined;
  const received = busy.connections.map((one) => `${one.bytes().length}${one.isClosed ? '' : ' still open'}`);
  demand(
    hasAll(),
    `${numbersOf(busy).length} of ${count - full} arrived over ${restarts} restarts, by ${connects} connections, with bytes: ${received.join(', ')}`,
  );
  equal([new Set(numbersOf(busy)).size, busy.torn()], [count - full, []], 'distinct records');
  return `${count} records over ${restarts} restarts`;
}

/** Options of the ways to send, each of which has its own look at the connection. */
const WAYS: readonly Readonly<Record<string, Value>>[] = [{}, { ack: 'memory' }];

/** Sends on a connection that is too fresh to be idle, and that the sidecar has ended: the record goes to the next one. */
async function noticedAtOnce({ fake, client }: World, options: (typeof WAYS)[number]): Promise<void> {
  const sidecar = await fake({ hasSessions: true });
  const adapter = await client(sidecar, options);
  await adapter.call('event', 'info', 'before');
  await until(() => sidecar.records().length === 1, 'the first record did not arrive');
  await sidecar.stop('drain');
  await sidecar.start();
  await adapter.call('sleep', 0.1);
  await adapter.call('event', 'info', 'after');
  await adapter.call('flush', 5);
  await until(() => sidecar.records().length === 2, 'the record behind the end did not arrive', 5000);
  const [old] = sidecar.connections;
  const how = JSON.stringify(options);
  demand(
    old?.bytes().includes('after') === false,
    `a record went to a connection that the sidecar had ended ${how}`,
  );
}

/** A program that never rests leaves a connection that the sidecar has ended. */
async function noticedAtWork({ fake, client }: World, options: (typeof WAYS)[number]): Promise<void> {
  const sidecar = await fake({ hasSessions: true });
  const worker = await client(sidecar, { ...options, quiet: true });
  let isOver = false;
  const work = async () => {
    while (!isOver) await worker.calls(Array.from({ length: 50 }, () => ['event', 'info', 'busy'] as const));
  };
  const restart = async () => {
    await until(() => sidecar.records().length > 0, 'nothing arrived');
    const old = sidecar.connections.length;
    await sidecar.stop('drain');
    await sidecar.start();
    const hasLeft = () =>
      sidecar.connections.length > old && sidecar.connections.slice(0, old).every(({ isEnded }) => isEnded);
    await until(hasLeft, `goes on with a connection that the sidecar has ended ${JSON.stringify(options)}`);
  };
  const restarting = restart().finally(() => {
    isOver = true;
  });
  await Promise.all([work(), restarting]);
}

/** A connection that is full when the sidecar ends it gets no other record once it is read; what waits goes to the next one. */
async function noticedWhileFull({ fake, client }: World): Promise<void> {
  const sidecar = await fake({ reading: 'none' });
  const adapter = await client(sidecar, { quiet: true });
  const { count } = await fillUp(adapter);
  await sidecar.stop('drain');
  await sidecar.start();
  sidecar.read('all');
  const old = sidecar.connections[0] as Connection;
  const hasAll = () => new Set(numbersOf(sidecar)).size === count;
  await logUntil(
    adapter,
    () => hasAll() && old.isEnded,
    'what waited at the end of a connection never arrived',
  );
  demand(
    !old.bytes().includes(`"n":${count - 2}`),
    'what waited went to the connection that the sidecar had ended',
  );
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
      for (const options of WAYS) {
        await noticedAtOnce(world, options);
        await noticedAtWork(world, options);
      }
      await noticedWhileFull(world);
      for (let attempt = 1; ; attempt++) {
        const found = await restarted(world);
        if (found !== undefined) return found;
        demand(attempt < 5, 'each time a connection was not accepted before the listener closed');
      }
    },
  },
];
