// One backend takes nothing: what is left of the others' rate.
import { interleave, measureOnce, mediansOf, sidecar } from './rig/contest.js';
import { grouped, median } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { configPath } from './rig/sidecar.js';
import { isMain, printReport } from './rig/table.js';

const SPEC = {
  usage: 'black-hole.js',
  about: 'The rate into two files alone, and beside a backend that hangs for ever in its first write.',
  defaults: { rounds: 3, messages: 2_000_000, warmUp: 500_000 },
  lines: {
    rounds: 'how often each runs',
    messages: 'measured messages of a run',
    warmUp: 'messages before them; they fill the queue of the backend that hangs',
  },
};

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run({ rounds, messages, warmUp }, say) {
  const alone = sidecar('alone', configPath('throughput.yaml'), { backend: 'files' });
  const beside = reallyStuck(
    sidecar('beside', configPath('black-hole.yaml'), { backend: 'files', isStuck: true }),
  );
  const measure = (contender) => measureOnce(contender, { messages, warmUp });
  const results = await interleave([alone, beside], rounds, measure, say);
  const [own = [], other = []] = results.values();
  const share =
    median(other.map((run, round) => run.perSecond / (own[round]?.perSecond ?? Number.NaN))) * 100;
  const [ownRate, otherRate] = [mediansOf(own).perSecond, mediansOf(other).perSecond];
  const note = `${grouped(otherRate)}/s beside it, ${grouped(ownRate)}/s alone`;
  const value = `${share.toFixed(0)} %`;
  return {
    rows: [{ name: 'rate beside a backend that hangs', value, target: '≥ 95 %', reached: share >= 95, note }],
  };
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
