/** The same script, the same bytes; and one schema for all. */
import { canonical, expected, masked, play } from '../golden.ts';
import { faultsOf } from '../schema.ts';
import { type Clause, demand, until, type World } from '../suite.ts';

async function played({ fake, client }: World, protocol: string) {
  const sidecar = await fake();
  const adapter = await client(sidecar, { protocol });
  await play(adapter);
  const count = expected().length;
  await until(
    () => sidecar.records().length >= count,
    () => `${sidecar.records().length} of ${count} records arrived`,
    3000,
  ).catch(() => {});
  for (const record of sidecar.records()) {
    const faults = faultsOf(record);
    demand(faults === '', `breaks the schema: ${faults} in ${JSON.stringify(record).slice(0, 200)}`);
  }
  return sidecar;
}

/** Where two lists of lines part. */
function same(found: readonly string[], wanted: readonly string[], how: string): void {
  const at = wanted.findIndex((line, nth) => line !== found[nth]);
  const nth = at < 0 && found.length !== wanted.length ? wanted.length : at;
  if (nth < 0) return;
  const [a = 'nothing', b = 'nothing'] = [found[nth], wanted[nth]];
  const from = Math.max(0, [...a].findIndex((char, index) => char !== b[index]) - 80);
  throw new Error(
    `${how}, record ${nth + 1}: …${a.slice(from, from + 200)} instead of …${b.slice(from, from + 200)}`,
  );
}

export const GOLDEN: readonly Clause[] = [
  {
    id: 'C41',
    title: 'one script gives the same NDJSON and MessagePack everywhere, within one JSON Schema',
    async run(world) {
      const wanted = expected();
      const values = (lines: readonly string[]) => lines.map((line) => canonical(JSON.parse(line)));
      const ndjson = masked((await played(world, 'ndjson')).lines());
      // C has no memory to sort a context in: its members are in the order of the call.
      if (world.language === 'c') same(values(ndjson), values(wanted), 'NDJSON');
      else same(ndjson, wanted, 'NDJSON');
      const packed = await played(world, 'msgpack');
      const msgpack = packed.records();
      demand(msgpack.length > 0 && packed.lines().length === 0, 'no MessagePack arrived');
      same(values(masked(msgpack.map((record) => JSON.stringify(record)))), values(wanted), 'MessagePack');
      return `${wanted.length} records`;
    },
  },
];
