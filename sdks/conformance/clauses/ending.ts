/** Flushing, closing, the end of a process. */
import type { Adapter } from '../adapter.ts';
import { type Clause, demand, equal, statsOf, until, type World } from '../suite.ts';
import type { Value } from '../values.ts';

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

export const ENDING: readonly Clause[] = [
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
];
