// What each stage costs a message, without sockets and files: the flow's own operators in one process, one more in
// every line. CPU time of the main thread and of the collector's, so that a busy machine matters little.
import { fileURLToPath } from 'node:url';
import { startNode } from './rig/child.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { binaryFlags } from './rig/sidecar.js';
import { isMain, printReport } from './rig/table.js';

const SPEC = {
  usage: 'stages.js',
  about: 'CPU nanoseconds a message of the stages between socket and lane; the built program is needed.',
  defaults: { rounds: 5, messages: 500_000 },
  lines: { rounds: 'passes of each; the median is shown', messages: 'messages of a pass' },
};

const COSTS = fileURLToPath(new URL('rig/stage-costs.js', import.meta.url));
const BUDGET_NS = 350;

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run({ rounds, messages }, say) {
  const child = startNode([...binaryFlags(), COSTS, String(rounds), String(messages)]);
  const { costs } = await child.line((line) => line.event === 'measured', 600_000);
  say(`  ${rounds} passes of each: done`);
  return { rows: rowsOf(costs) };
}

function rowsOf(costs) {
  const [[, parse]] = costs;
  const rows = costs.map(([name, cost], index) => {
    const more = index > 1 ? `${signed(cost - costs[index - 1][1])} ns` : '';
    return { name: index > 1 ? `… ${name}` : name, value: `${cost.toFixed(0)} ns`, note: more };
  });
  const beyond = costs.at(-1)[1] - parse;
  const target = `≤ ${BUDGET_NS} ns`;
  return [
    ...rows,
    {
      name: 'all, beyond JSON.parse',
      value: `${beyond.toFixed(0)} ns`,
      target,
      reached: beyond <= BUDGET_NS,
    },
  ];
}

const signed = (value) => `${value < 0 ? '' : '+'}${value.toFixed(0)}`;

if (isMain(import.meta.url)) {
  const options = readOptions(SPEC);
  console.log(machineLine());
  const { rows } = await run(options, console.log);
  printReport('Stages', rows);
  process.exit(0);
}
