/** Order and wholeness of what is sent. */
import { fillUp, logUntil, numbersOf, upTo } from '../load.ts';
import { type Clause, demand, equal, until } from '../suite.ts';

export const ORDER: readonly Clause[] = [
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
];
