/** Acknowledgements. */
import { setTimeout as pause } from 'node:timers/promises';
import { LARGE, upTo } from '../load.ts';
import { acknowledgedByRealOne } from '../real-sidecar.ts';
import { type Clause, demand, equal, sizeOf, statsOf, until, type World } from '../suite.ts';

/** Records with acknowledgements to a fake that is reset so many times; each must be taken once. */
async function acknowledged({ fake, client }: World, count: number, resets: number): Promise<void> {
  const sidecar = await fake({ hasSessions: true });
  const adapter = await client(sidecar, { ack: 'memory', buffer_bytes: 2 ** 24 });
  const block = Math.ceil(count / (resets + 1));
  for (let from = 0; from < count; from += block) {
    const working = adapter.calls(
      upTo(Math.min(count, from + block), from).map((n) => ['event', 'info', 'acked', { n }]),
    );
    await pause(5);
    if (from > 0) await sidecar.stop('reset');
    await pause(30);
    if (from > 0) await sidecar.start();
    await working;
  }
  for (let nth = 0; nth < 60 && sidecar.sessions.taken.length < count; nth++)
    await adapter.call('flush', 0.5);
  const taken = sidecar.sessions.taken.map(({ data }) => data.context.n);
  equal(taken.length, count, 'records taken');
  equal(new Set(taken).size, count, 'distinct ones');
  equal((await adapter.call('flush', 5)).done, '1', 'flush waits for the acknowledgements');
  equal((await statsOf(adapter)).sent, count, 'counted as sent');
}

/** To a sidecar that acknowledges nothing goes what its window has room for, and no more; after a reconnect, too. */
async function fillsTheWindow({ fake, client }: World): Promise<void> {
  const sidecar = await fake({ hasSessions: true });
  const { sessions } = sidecar;
  const adapter = await client(sidecar, { ack: 'memory', quiet: true });
  await adapter.call('event', 'info', 'held back', { n: 0 });
  demand((await adapter.call('flush', 5)).done === '1', 'the first record is not acknowledged');
  sessions.isSilent = true;
  const count = 200;
  await adapter.calls(upTo(count, 1).map((n) => ['event', 'info', 'held back', { n }]));
  await adapter.call('flush', 0.3);
  const out = sidecar.lines().slice(-sessions.taken.length + 1);
  // One record may reach over the edge.
  const bytes = out.slice(1).reduce((sum, line) => sum + line.length + 1, 0);
  demand(
    out.length >= 10 && out.length <= sessions.window && bytes <= sessions.windowBytes,
    `${out.length} records of ${bytes} bytes in a window of ${sessions.window} and ${sessions.windowBytes}`,
  );
  await sidecar.stop('reset');
  sessions.marks.clear();
  sessions.taken.length = 0;
  await sidecar.start();
  for (let nth = 0; nth < 40 && sessions.taken.length < 10; nth++) await adapter.call('flush', 0.5);
  demand(sessions.taken.length >= 10, `${sessions.taken.length} records at a time after a reconnect`);
}

/** The welcome of a new connection covers a record of which a part is written already. */
async function welcomedWhileWriting({ fake, client }: World): Promise<void> {
  const sidecar = await fake({ hasSessions: true });
  Object.assign(sidecar.sessions, { window: 100_000, windowBytes: 2 ** 26 });
  const adapter = await client(sidecar, { ack: 'memory', buffer_bytes: 2 ** 26 });
  await adapter.call('event', 'info', 'large', { n: 0 });
  await adapter.call('flush', 2);
  sidecar.sessions.isSilent = true;
  const count = 260;
  await adapter.calls(upTo(count, 1).map((n) => ['event', 'info', 'large', { n, ...LARGE }]));
  await adapter.call('flush', 0.5);
  await until(
    () => sidecar.sessions.taken.length === count,
    () => `${sidecar.sessions.taken.length} of ${count} arrived`,
  );
  sidecar.sessions.deafMs = 700;
  await sidecar.stop('reset');
  await sidecar.start();
  const endMs = Date.now() + 20_000;
  while (sidecar.connections.length < 2 && Date.now() < endMs) await adapter.call('flush', 0.1);
  await adapter.call('flush', 0.3);
  await pause(700);
  sidecar.sessions.isSilent = false;
  await adapter.call('event', 'info', 'after', { n: count });
  for (let nth = 0; nth < 40 && sidecar.sessions.taken.length <= count; nth++)
    await adapter.call('flush', 0.25);
  equal(sidecar.torn().slice(0, 1), [], 'torn on the new connection');
  equal(
    sidecar.sessions.taken.map(({ data }) => data.context.n),
    upTo(count + 1),
    'records taken',
  );
}

export const ACKNOWLEDGEMENT: readonly Clause[] = [
  {
    id: 'C16',
    title: 'with acknowledgements every record arrives once, though the sidecar is killed',
    async run(world) {
      await acknowledged(
        world,
        sizeOf(world, { fast: 1200, r: 300, full: 10_000, fullR: 2000 }),
        world.isFull ? 5 : 3,
      );
      await welcomedWhileWriting(world);
      await fillsTheWindow(world);
      if (!world.isFull) return 'with a fake sidecar that is reset';
      return acknowledgedByRealOne(world);
    },
  },
];
