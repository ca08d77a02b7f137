// Throughput: the bare loop and the sidecar in turn, with the same load and the same two files.
import { bareLoop, interleave, measureOnce, mediansOf, sidecar } from './rig/contest.js';
import { grouped, megabytes } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { configPath } from './rig/sidecar.js';
import { isMain, printReport, printTable } from './rig/table.js';

const SPEC = {
  usage: 'throughput.js',
  about:
    'Messages a second from the first byte sent to the last byte in the files; medians of interleaved rounds.',
  defaults: { rounds: 3, messages: 2_000_000, warmUp: 500_000, only: '' },
  lines: {
    rounds: 'how often each program runs',
    messages: 'measured messages of a run; about 350 bytes each are written, in memory where there is room',
    warmUp: 'messages before them',
    only: 'runs only the programs whose name holds this text: sidecar, original, stringify',
  },
};

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run({ rounds, messages, warmUp, only }, say) {
  const all = [
    bareLoop('original'),
    bareLoop('stringify'),
    sidecar('sidecar', configPath('throughput.yaml')),
  ];
  const contenders = all.filter(({ name }) => name.includes(only));
  const measure = (contender) => measureOnce(contender, { messages, warmUp });
  const results = await interleave(contenders, rounds, measure, say);
  const medians = new Map([...results].map(([name, runs]) => [name, mediansOf(runs)]));
  return { medians, rows: rowsOf(medians) };
}

function rowsOf(medians) {
  const own = medians.get('sidecar');
  if (own === undefined) return [];
  const bare = medians.get('bare loop, original');
  const rate = {
    name: 'messages/s',
    value: grouped(own.perSecond),
    target: '≥ 400,000',
    reached: own.perSecond >= 400_000,
  };
  const cpu = own.cpuPerMillion;
  const rows = [
    rate,
    { name: 'CPU s per million', value: cpu.toFixed(2), target: '≤ 2.6', reached: cpu <= 2.6 },
    {
      name: 'peak RSS',
      value: megabytes(own.peakRssBytes),
      target: '≤ 200 MB',
      reached: own.peakRssBytes <= 200e6,
    },
    {
      name: 'batches',
      value: grouped(own.batches),
      note: `${(own.messages / own.batches).toFixed(0)} messages each`,
    },
  ];
  if (bare === undefined) return rows;
  const ratio = own.perSecond / bare.perSecond;
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
