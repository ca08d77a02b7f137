/** It cannot crash, stall or swell the host, and tells what it dropped. */
import { demand, until, type Clause } from '../suite.ts';

export const SAFETY: readonly Clause[] = [
  {
    id: 'C1',
    title: 'what a call sent arrives, though the process is killed in the next instant',
    async run({ fake, client, isFull }) {
      const sidecar = await fake();
      const times = isFull ? 100 : 3;
      for (let nth = 1; nth <= times; nth++) {
        const adapter = await client(sidecar);
        adapter.call('die', `last words ${nth}`, 'kill').catch(() => {});
        demand((await adapter.exited) === 'SIGKILL', `it ended otherwise: ${adapter.stderr()}`);
        await until(() => sidecar.records().length >= nth, () => `${sidecar.records().length} of ${nth} arrived`, 2000);
      }
      return `${times} of ${times}`;
    },
  },
];
