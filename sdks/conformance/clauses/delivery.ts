/** Order, wholeness, reconnection, flushing, the end of a process, acknowledgements. */
import { demand, equal, until, type Clause } from '../suite.ts';

export const DELIVERY: readonly Clause[] = [
  {
    id: 'C9',
    title: 'order is kept within a process',
    async run({ fake, client }) {
      const sidecar = await fake();
      const adapter = await client(sidecar);
      const count = 500;
      const numbers = Array.from({ length: count }, (_, n) => n);
      await adapter.calls(numbers.map((n) => ['event', 'info', 'ordered', { n }]));
      await until(() => sidecar.records().length >= count, 'not all records arrived');
      equal(sidecar.records().map(({ data }) => data.context.n), numbers, 'order');
    },
  },
];
