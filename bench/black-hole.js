// One backend hangs: what is left of the others' rate and latency, and what becomes of its own messages once it heals.
import { fixed } from './rig/black-hole-fixed.js';
import { interleave, measureOnce, mediansOf, sidecar } from './rig/contest.js';
import { grouped, median, megabytes, milliseconds } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { configPath } from './rig/sidecar.js';
import { isMain, printReport } from './rig/table.js';

const SPEC = {
  usage: 'black-hole.js',
  about:
    'Two files alone, beside a second backend, and beside the same one hanging, which spills or sheds: messages/s as fast as they come, and latency at a fixed rate.',
  defaults: { rounds: 1, messages: 1_000_000, warmUp: 300_000, rate: 10_000, seconds: 6, minutes: 0 },
  lines: {
    rounds: 'how often each runs at full rate',
    messages: 'measured messages of such a run',
    warmUp: 'messages before them; they fill the queue of the backend that hangs',
    rate: 'messages a second of the runs at a fixed rate',
    seconds: 'how long each of these takes',
    minutes: 'instead, how long the run beside a backend that hangs and spills takes',
  },
};

/** Of the others' rate, the least that must be left; of their p99, the most that it may become. */
const RATE_SHARE = 0.95;
const LATENCY_RATIO = 2;
/** Of these latencies the ratio is noise of the scheduler. */
const QUICK_US = 5000;

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run(options, say) {
  const full = await atFullRate(options, say);
  const { rate, seconds, minutes } = options;
  // In seconds only a small queue fills.
  const short = { rate, seconds, queue: '4MiB' };
  const long = { rate, seconds: minutes * 60, queue: '64MiB' };
  const alone = await fixed('alone', short, say);
  const spilling = await fixed('spill', minutes > 0 ? long : short, say);
  const shedding = await fixed('shed', short, say);
  return { rows: [...full, ...atFixedRate(rate, alone, { spilling, shedding })] };
}

async function atFullRate({ rounds, messages, warmUp }, say) {
  const beside = (name, stdout, whenFull) =>
    sidecar(name, configPath('black-hole.yaml'), {
      backend: 'files',
      stdout,
      env: { BENCH_WHEN_FULL: whenFull },
    });
  const contenders = [
    sidecar('alone', configPath('throughput.yaml'), { backend: 'files' }),
    beside('healthy', 'read', 'spill'),
    reallyStuck(beside('hanging, spill', 'unread', 'spill')),
    reallyStuck(beside('hanging, shed', 'unread', 'shed')),
  ];
  const measure = (contender) => measureOnce(contender, { messages, warmUp });
  const results = await interleave(contenders, rounds, measure, say);
  const of = (name) => results.get(name) ?? [];
  const ratio = (name) =>
    median(of(name).map((run, round) => run.perSecond / (of('healthy')[round]?.perSecond ?? Number.NaN)));
  const shown = (name) => mediansOf(of(name));
  const plain = ['alone', 'healthy'].map((name) => ({
    name: `files ${name === 'alone' ? name : 'beside a healthy backend'}, full rate`,
    value: `${grouped(shown(name).perSecond)}/s`,
    note: `${shown(name).cpuPerMillion.toFixed(2)} CPU s/M`,
  }));
  const hanging = ['spill', 'shed'].map((whenFull) => {
    const name = `hanging, ${whenFull}`;
    const share = ratio(name);
    const { perSecond, cpuPerMillion, peakRssBytes } = shown(name);
    return {
      name: `files beside it ${name}, of the healthy pair`,
      value: `${(share * 100).toFixed(0)} %`,
      target: `≥ ${RATE_SHARE * 100} %`,
      reached: share >= RATE_SHARE,
      note: `${grouped(perSecond)}/s, ${cpuPerMillion.toFixed(2)} CPU s/M, peak RSS ${megabytes(peakRssBytes)}`,
    };
  });
  return [...plain, ...hanging];
}

const quantiles = ({ latency }) => `p50 ${milliseconds(latency.p50)}, p90 ${milliseconds(latency.p90)}`;

function atFixedRate(rate, alone, hanging) {
  const at = `at ${grouped(rate)}/s`;
  const rows = Object.entries(hanging).flatMap(([name, found]) => {
    const share = found.perSecond / alone.perSecond;
    const ratio = found.latency.p99 / alone.latency.p99;
    return [
      {
        name: `files beside it hanging, ${name}, ${at}, of alone`,
        value: `${(share * 100).toFixed(1)} %`,
        target: `≥ ${RATE_SHARE * 100} %`,
        reached: share >= RATE_SHARE,
        note: `${grouped(found.diverted)} of ${grouped(found.sent)} diverted in ${found.seconds} s; peak RSS ${megabytes(found.peakRssBytes)}, alone ${megabytes(alone.peakRssBytes)}`,
      },
      {
        name: `send → file p99 beside it, ${name}`,
        value: milliseconds(found.latency.p99),
        target: `≤ ${LATENCY_RATIO} ×`,
        reached: ratio <= LATENCY_RATIO || found.latency.p99 <= QUICK_US,
        note: `${ratio.toFixed(2)} × of alone, ${milliseconds(alone.latency.p99)}; ${quantiles(found)}, alone ${quantiles(alone)}`,
      },
    ];
  });
  const { healed, sent } = hanging.spilling;
  // A send that timed out while it hung had brought a part of its lines into the pipe: at least once, not exactly.
  const distinct = healed.lines - healed.duplicated;
  rows.push({
    name: 'after healing, its own messages',
    value: `${grouped(distinct)} of ${grouped(sent)}`,
    target: 'all, in order',
    reached: distinct === sent && healed.lost + healed.disordered === 0,
    note: `${healed.lost} lost, ${healed.duplicated} twice, ${healed.disordered} out of order; in ${healed.seconds.toFixed(1)} s`,
  });
  return rows;
}

/** The same, but its run fails if the backend `hole` has taken more than fits into a pipe. */
function reallyStuck(contender) {
  const start = async (folder) => {
    const running = await contender.start(folder);
    const settled = async (count) => {
      await running.settled(count);
      const match = { backend: 'hole', outcome: 'delivered' };
      const taken = (await running.metrics()).sum('sidecar_outcomes_total', match);
      if (taken > 10_000) throw new Error(`the backend that should hang has taken ${taken} messages`);
    };
    return { ...running, settled };
  };
  return { ...contender, start };
}

if (isMain(import.meta.url)) {
  const options = readOptions(SPEC);
  console.log(machineLine());
  const { rows } = await run(options, console.log);
  printReport('Black hole', rows);
  process.exit(0);
}
