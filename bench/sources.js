// What a message costs by the number of sources it may come from.
import { interleave, measureOnce, mediansOf, sidecar } from './rig/contest.js';
import { grouped, megabytes } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { configPath } from './rig/sidecar.js';
import { isMain, printReport } from './rig/table.js';

const SPEC = {
  usage: 'sources.js',
  about: 'CPU a message with 1, 100 and 10,000 sources in turn over four connections, all into one file.',
  defaults: { rounds: 3, messages: 2_000_000, warmUp: 500_000 },
  lines: {
    rounds: 'how often each number of sources runs',
    messages: 'measured messages of a run',
    warmUp: 'messages before them',
  },
};

const COUNTS = [1, 100, 10_000];
/** More than this times the cost of one source is not flat. */
const FLAT = 1.25;

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run({ rounds, messages, warmUp }, say) {
  const contenders = COUNTS.map((count) => ({
    ...sidecar(`${grouped(count)} ${count === 1 ? 'source' : 'sources'}`, configPath('sources.yaml')),
    count,
  }));
  const flagsOf = (name) => ({
    sources: contenders.find((contender) => contender.name === name)?.count ?? 1,
  });
  const measure = (contender) => measureOnce(contender, { messages, warmUp, flags: flagsOf(contender.name) });
  const results = await interleave(contenders, rounds, measure, say);
  const medians = [...results].map(([name, runs]) => ({ name, ...mediansOf(runs) }));
  const [one] = medians;
  return { rows: medians.map((measured) => rowOf(measured, one)) };
}

function rowOf(measured, one) {
  const { name, cpuPerMillion, perSecond, batches, messages, peakRssBytes } = measured;
  const times = cpuPerMillion / one.cpuPerMillion;
  const sizes = `${(messages / batches).toFixed(0)} messages a batch, peak RSS ${megabytes(peakRssBytes)}`;
  const row = {
    name: `CPU s per million, ${name}`,
    value: cpuPerMillion.toFixed(2),
    note: `${grouped(perSecond)}/s, ${sizes}`,
  };
  if (measured === one) return row;
  return {
    ...row,
    value: `${row.value} (${times.toFixed(2)} ×)`,
    target: `≤ ${FLAT} ×`,
    reached: times <= FLAT,
  };
}

if (isMain(import.meta.url)) {
  const options = readOptions(SPEC);
  console.log(machineLine());
  const { rows } = await run(options, console.log);
  printReport('Sources', rows);
  process.exit(0);
}
