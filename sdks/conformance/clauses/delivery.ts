/** Order, wholeness, reconnection, flushing, the end of a process, acknowledgements. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Adapter } from '../adapter.ts';
import type { Fake } from '../fake-sidecar.ts';
import { acknowledgedByRealOne } from '../real-sidecar.ts';
import { type Clause, demand, equal, sizeOf, statsOf, until, type World } from '../suite.ts';
import type { Value } from '../values.ts';

/** About 60 KB, so that a connection that nobody reads is full after some megabytes. */
const LARGE = Object.fromEntries([...'abcdefg'].map((key) => [key, key.repeat(8100)]));

const numbersOf = (sidecar: Fake): number[] => sidecar.records().flatMap(({ data }) => data.context?.n ?? []);

const upTo = (count: number, from = 0) => Array.from({ length: count - from }, (_, nth) => from + nth);

/** Large numbered events, until the SDK has one that it could not hand on; how many there were, and the first not handed on. */
async function fillUp(adapter: Adapter): Promise<{ count: number; sent: number }> {
  for (let count = 0; count < 1000; ) {
    for (let nth = 0; nth < 4; nth++) await adapter.call('event', 'info', 'large', { n: count++, ...LARGE });
    const { queued = 0, sent = 0 } = await statsOf(adapter);
    if (queued > 3) return { count, sent };
  }
  throw new Error('the connection takes everything, though nobody reads');
}

/** Logs until something holds; the SDK may have to wait for its backoff. */
async function logUntil(adapter: Adapter, holds: () => boolean, what: string): Promise<void> {
  const endMs = Date.now() + 20_000;
  while (!holds()) {
    demand(Date.now() < endMs, what);
    await adapter.call('event', 'info', 'once more');
    await adapter.call('sleep', 0.05);
  }
}

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

/** Ends a program that has a record to send and a fifth of a second to reach the sidecar, which is there since a moment ago. */
async function endsBy({ fake, client, language }: World, how: string): Promise<void> {
  const sidecar = await fake({ isAbsent: true });
  const adapter = await client({ port: sidecar.port }, { quiet: true });
  await adapter.call('start', 'open');
  await sidecar.start();
  if (how === 'end') {
    await adapter.call('event', 'info', 'last words');
    await adapter.end();
  } else {
    adapter.call('die', 'last words', how).catch(() => {});
    await adapter.exited;
  }
  await until(
    () => sidecar.records().some(({ data }) => data.message === 'last words'),
    `the last words did not arrive by ${how}: ${adapter.stderr().slice(0, 300)}`,
    3000,
  );
  if (language === 'typescript') return;
  const statuses = sidecar.records().flatMap(({ data }) => (data.phase === 'end' ? [data.status] : []));
  equal(statuses, ['abandoned'], `the open span, by ${how}`);
}

/** Of what has to be done within a time: a machine that is busy may be late, but not each of three times. */
async function thrice(work: () => Promise<void>): Promise<void> {
  await work().catch(work).catch(work);
}

/** How long a call took, in ms. */
const took = async (adapter: Adapter, operation: 'flush' | 'close', ...args: Value[]) => {
  const { done, ms } = await adapter.call(operation, ...args);
  return { done, ms: Number(ms) };
};

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

export const DELIVERY: readonly Clause[] = [
  {
    id: 'C9',
    title: 'order is kept within a process',
    async run({ fake, client }) {
      const sidecar = await fake({ isAbsent: true });
      const adapter = await client(sidecar);
      const count = 500;
      const log = (from: number, to: number) =>
        adapter.calls(upTo(to, from).map((n) => ['event', 'info', 'ordered', { n }]));
      await log(0, 100);
      await sidecar.start();
      await log(100, count);
      await adapter.call('flush', 10);
      await until(
        () => sidecar.records().length >= count,
        () => `${sidecar.records().length} of ${count} arrived`,
      );
      equal(numbersOf(sidecar), upTo(count), 'order');
    },
  },
  {
    id: 'C10',
    title: 'whole frames only, on a slow connection and over a lost one',
    async run({ fake, client, language }) {
      const slow = await fake({ reading: 'none' });
      const first = await client(slow, { quiet: true });
      const { count } = await fillUp(first);
      slow.read('all');
      equal((await first.call('flush', 10)).done, '1', 'flush, once it is read');
      await until(
        () => slow.records().length === count,
        () => `${slow.records().length} of ${count} arrived`,
      );
      equal([slow.torn(), numbersOf(slow)], [[], upTo(count)], 'records of the slow connection');
      const dying = await fake({ reading: 'none' });
      const second = await client(dying, { quiet: true });
      const filled = await fillUp(second);
      // Read from only then: what the dying connection still took would be lost, and rightly so.
      await dying.stop('reset');
      dying.read('all');
      const dead = dying.connections.length;
      await dying.start();
      const arrived = () => numbersOf({ ...dying, records: () => dying.records().slice(-1000) });
      await logUntil(
        second,
        () => dying.connections.length > dead && arrived().includes(filled.count - 1),
        'the rest never arrived',
      );
      const [, ...later] = dying.connections;
      const resent = later.flatMap(({ bytes }) =>
        [
          ...bytes()
            .toString()
            .matchAll(/^\{.*"n":(\d+)[,}].*$/gm),
        ].map(([, n]) => Number(n)),
      );
      const torn = dying.torn().filter((piece) => later.some(({ bytes }) => bytes().includes(piece)));
      equal(torn, [], 'torn on the new connection');
      demand(
        (resent[0] ?? Infinity) <= filled.sent,
        `begins with ${resent[0]}, though ${filled.sent} was not handed on whole`,
      );
      equal(
        resent.slice(1).every((n, at) => n === (resent[at] ?? 0) + 1),
        true,
        `the numbers follow each other: ${resent.slice(0, 20)}`,
      );
      return language === 'perl' ? 'a record of 60 KB is sent again whole' : '';
    },
  },
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
  {
    id: 'C13',
    title: 'flush says whether everything is out, in time',
    async run({ fake, client, most }) {
      const sidecar = await fake();
      const adapter = await client(sidecar);
      await adapter.call('event', 'info', 'out');
      equal((await adapter.call('flush', 5)).done, '1', 'with a sidecar');
      const lonely = await client(await fake({ isAbsent: true }));
      await lonely.call('event', 'info', 'waiting');
      const { done, ms } = await took(lonely, 'flush', 0.3);
      equal(done, '0', 'without a sidecar');
      demand(ms < most(600, 5000), `flush(0.3) took ${ms} ms`);
      equal((await lonely.call('flush', 0)).done, '0', 'without a sidecar and without time');
    },
  },
  {
    id: 'C14',
    title: 'close ends spans, says bye, closes in order, twice if need be, and fast without a sidecar',
    async run({ fake, client, most }) {
      const sidecar = await fake({ hasSessions: true });
      const adapter = await client(sidecar, { ack: 'memory' });
      await adapter.call('start', 'outer');
      await adapter.call('start', 'inner');
      await adapter.call('close');
      await adapter.call('close');
      equal((await adapter.call('event', 'info', 'too late')).kept, '0', 'after close');
      await until(
        () => sidecar.connections.every(({ isEnded }) => isEnded),
        'the connection was not ended in order',
      );
      const ends = sidecar.records().filter(({ data }) => data.phase === 'end');
      equal(
        ends.map(({ data }) => [data.name, data.status]),
        [
          ['inner', 'abandoned'],
          ['outer', 'abandoned'],
        ],
        'spans',
      );
      equal(sidecar.controls().at(-1)?.type, 'bye', 'the last word');
      equal((await statsOf(adapter)).closed, 1, 'records after close, counted');
      const lonely = await client(await fake({ isAbsent: true }), { quiet: true });
      await lonely.call('event', 'info', 'waiting');
      const { ms } = await took(lonely, 'close');
      demand(ms <= most(250, 2500), `close took ${ms} ms without a sidecar`);
      return `${ms.toFixed()} ms without a sidecar`;
    },
  },
  {
    id: 'C15',
    title: 'the end of the process flushes, however it comes',
    async run(world) {
      const { fake, client, language } = world;
      const ends = { c: ['end', 'exit'], typescript: ['end'] }[language as string] ?? [
        'end',
        'exit',
        'throw',
      ];
      for (const how of ends) await thrice(() => endsBy(world, how));
      if (language !== 'typescript') return ends.join(', ');
      // Nothing can wait once Node.js ends: what was logged on a connection is out, as the call has written it.
      for (const how of ['exit', 'throw']) {
        const sidecar = await fake();
        const adapter = await client(sidecar);
        adapter.call('die', 'last words', how).catch(() => {});
        await adapter.exited;
        await until(() => sidecar.records().length === 1, `the last words did not arrive by ${how}`, 3000);
      }
      return 'end; exit and throw on a connection that is up';
    },
  },
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
