// Throughput: the bare loop and the sidecar in turn, with the same load and the same two files.
import { bareLoop, interleave, measureOnce, mediansOf, sidecar } from './rig/contest.js';
import { grouped, median, megabytes } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { configPath } from './rig/sidecar.js';
import { isMain, printReport, printTable } from './rig/table.js';

const SPEC = {
  usage: 'throughput.js',
  about:
    'Messages a second from the first byte sent to the last byte in the files; medians of interleaved rounds.',
  defaults: { rounds: 3, messages: 2_000_000, warmUp: 500_000, bareFlags: '', only: '' },
  lines: {
    rounds: 'how often each program runs',
    messages: 'measured messages of a run; about 350 bytes each are written, in memory where there is room',
    warmUp: 'messages before them',
    bareFlags: 'options of node for the bare loop, between blanks',
    only: 'runs only the programs whose name holds this text: sidecar, original, stringify',
  },
};

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run({ rounds, messages, warmUp, bareFlags, only }, say) {
  const flags = bareFlags.split(' ').filter(Boolean);
  const all = [
    bareLoop('original', flags),
    bareLoop('stringify', flags),
    sidecar('sidecar', configPath('throughput.yaml')),
  ];
  const contenders = all.filter(({ name }) => name.includes(only));
  const measure = (contender) => measureOnce(contender, { messages, warmUp });
  const results = await interleave(contenders, rounds, measure, say);
  const medians = new Map([...results].map(([name, runs]) => [name, mediansOf(runs)]));
  return { medians, rows: rowsOf(medians, ratioOf(results)) };
}

/** Median of the rounds' ratios sidecar : bare loop; the two of a round ran within seconds of each other. */
function ratioOf(results) {
  const own = results.get('sidecar') ?? [];
  const bare = results.get('bare loop, original') ?? [];
  return median(own.map((run, round) => run.perSecond / (bare[round]?.perSecond ?? Number.NaN)));
}

function rowsOf(medians, ratio) {
  const own = medians.get('sidecar');
  const bare = medians.get('bare loop, original');
  if (own === undefined) return [];
  const { perSecond, cpuPerMillion: cpu, peakRssBytes: peak, batches, messages } = own;
  const rows = [
    {
      name: 'messages/s',
      value: grouped(perSecond),
      target: '≥ 400,000',
      reached: perSecond >= 400_000,
      note: `spread ${own.spread.toFixed(0)} %; others used ${own.othersCores.toFixed(2)} cores`,
    },
    { name: 'CPU s per million', value: cpu.toFixed(2), target: '≤ 2.6', reached: cpu <= 2.6 },
    { name: 'peak RSS', value: megabytes(peak), target: '≤ 200 MB', reached: peak <= 200e6 },
    { name: 'batches', value: grouped(batches), note: `${(messages / batches).toFixed(0)} messages each` },
  ];
  if (bare === undefined) return rows;
  const note = `bare loop: ${grouped(bare.perSecond)}/s at ${bare.cpuPerMillion.toFixed(2)} CPU s/M`;
  return [
    { name: 'of the bare loop', value: ratio.toFixed(2), target: '≥ 0.70', reached: ratio >= 0.7, note },
    ...rows,
  ];
}

function printMedians(medians) {
  const head = ['program', 'messages/s', 'spread', 'CPU s/M', 'peak RSS', 'batches', 'generator', 'others'];
  const lines = [...medians].map(([name, m]) => [
    name,
    grouped(m.perSecond),
    `${m.spread.toFixed(0)} %`,
    m.cpuPerMillion.toFixed(2),
    megabytes(m.peakRssBytes),
    m.batches === 0 ? '' : grouped(m.batches),
    `${m.generatorCores.toFixed(2)} cores`,
    `${m.othersCores.toFixed(2)} cores`,
  ]);
  printTable([head, ...lines]);
}

if (isMain(import.meta.url)) {
  const options = readOptions(SPEC);
  console.log(machineLine());
  const { medians, rows } = await run(options, console.log);
  printMedians(medians);
  printReport('Throughput', rows);
  process.exit(0);
}
