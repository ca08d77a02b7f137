/** The real sidecar, killed while records come in. */
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createFolder, freePort, linesOf, ONE_FILE, startSidecar } from '../../test/processes.ts';
import { demand, equal, sizeOf, type World } from './suite.ts';

/**
 * Records with `ack: disk` to a sidecar that is killed five times; each must be in its file, and under one id: a second id
 * would be that of a record taken twice. The same id twice is a batch that the sidecar was killed behind: it delivers at
 * least once.
 */
export async function acknowledgedByRealOne(world: World): Promise<string> {
  const { client, later } = world;
  const count = sizeOf(world, { fast: 2000, r: 500, full: 10_000, fullR: 2000 });
  const folder = createFolder();
  const set = [`tcp.port=${await freePort()}`, 'http.port=0'];
  let sidecar = await startSidecar({ yaml: ONE_FILE, folder, set });
  later(() => sidecar.kill('SIGKILL'));
  const adapter = await client(sidecar, { ack: 'disk', buffer_bytes: 2 ** 24 });
  const kills = 5;
  const block = count / kills;
  for (let kill = 0; kill < kills; kill++) {
    const numbers = Array.from({ length: block }, (_, nth) => kill * block + nth);
    const working = adapter.calls(numbers.map((n) => ['event', 'info', 'acked', { n }]));
    await pause(30);
    sidecar.kill('SIGKILL');
    await sidecar.exit();
    sidecar = await startSidecar({ yaml: ONE_FILE, folder, set });
    await working;
  }
  for (let nth = 0; nth < 60 && (await adapter.call('flush', 1)).done !== '1'; nth++) {}
  const delivered = () =>
    linesOf(join(folder, 'out', 'all.jsonl')).flatMap((line) => {
      const { id, data } = JSON.parse(line);
      return data.context?.n === undefined ? [] : [{ id, n: data.context.n }];
    });
  const distinct = (name: 'id' | 'n') => new Set(delivered().map((record) => record[name])).size;
  for (let nth = 0; nth < 100 && distinct('n') < count; nth++) await pause(100);
  equal([distinct('n'), distinct('id')], [count, count], 'distinct records in the file, and their ids');
  const again = delivered().length - count;
  demand((await sidecar.stop()) === 0, 'the sidecar did not stop in order');
  return `${count} records, a real sidecar killed ${kills} times; ${again} of them delivered again under their ids`;
}
