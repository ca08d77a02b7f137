// What correlation and the aggregation of metrics cost at full rate: the same sidecar with both, one and neither, and with
// both while there are as many series as it keeps.
import { interleave, measureOnce, mediansOf, sidecar } from './rig/contest.js';
import { grouped, median } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { configPath } from './rig/sidecar.js';
import { isMain, printReport } from './rig/table.js';

const SPEC = {
  usage: 'aggregation.js',
  about: 'Throughput with correlation and metrics by windows, of that without; medians of rounds in turn.',
  defaults: { rounds: 5, messages: 1_500_000, warmUp: 4_000_000 },
  lines: {
    rounds: 'how often each runs',
    messages: 'measured messages of a run',
    warmUp: 'messages before them; for as long as they take, V8 still compiles',
  },
};

const WITHOUT = new URL('./rig/no-correlation.js', import.meta.url).href;
const MIN_RATIO = 0.75;
/** Beside one of jobs, four metrics of four sources have a series for each: more than the thousand that are kept. */
const MANY_QUEUES = 65;
const MANY = 'both, a thousand series';
/** A scrape shows all series, and its cost is not that of the flow. */
const EVERY_MS = 2000;

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run({ rounds, messages, warmUp }, say) {
  const config = configPath('throughput.yaml');
  const both = (name) => sidecar(name, config, { everyMs: EVERY_MS, set: ['metrics.aggregate=true'] });
  const contenders = [
    sidecar('neither', config, { everyMs: EVERY_MS, env: { NODE_OPTIONS: `--import=${WITHOUT}` } }),
    sidecar('correlation', config, { everyMs: EVERY_MS }),
    both('correlation and aggregation'),
    both(MANY),
  ];
  const measure = (one) =>
    measureOnce(one, { messages, warmUp, flags: one.name === MANY ? { queues: MANY_QUEUES } : {} });
  const results = await interleave(contenders, rounds, measure, say);
  const [neither = [], correlation = [], few = [], many = []] = [...results.values()];
  return {
    rows: [
      row('correlation, of neither', correlation, neither),
      row('aggregation besides, of correlation', few, correlation),
      { ...row('both, of neither', few, neither), ...verdict(ratioOf(few, neither, 'perSecond')) },
      row('both with a thousand series, of neither', many, neither),
    ],
  };
}

/** Median of the rounds' ratios; the runs of a round are seconds apart. */
const ratioOf = (own, other, key) => median(own.map((run, round) => run[key] / other[round][key]));

const verdict = (ratio) => ({ target: `≥ ${MIN_RATIO}`, reached: ratio >= MIN_RATIO });

function row(name, own, other) {
  const { perSecond, cpuPerMillion } = mediansOf(own);
  const cpu = `CPU ${ratioOf(own, other, 'cpuPerMillion').toFixed(2)} ×`;
  const note = `${cpu}; ${grouped(perSecond)}/s at ${cpuPerMillion.toFixed(2)} CPU s/M`;
  return { name, value: ratioOf(own, other, 'perSecond').toFixed(2), note };
}

if (isMain(import.meta.url)) {
  const options = readOptions(SPEC);
  console.log(machineLine());
  const { rows } = await run(options, console.log);
  printReport('Correlation and aggregation', rows);
  process.exit(0);
}
