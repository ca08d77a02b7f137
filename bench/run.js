// All benchmarks in their short versions, one after the other, and one table. `npm run bench`.
import { writeFileSync } from 'node:fs';
import { run as blackHole } from './black-hole.js';
import { run as connections } from './connections.js';
import { run as latency } from './latency.js';
import { run as reloads } from './reloads.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { printReport } from './rig/table.js';
import { run as soak } from './soak.js';
import { run as sources } from './sources.js';
import { run as throughput } from './throughput.js';

const { only, json } = readOptions({
  usage: 'run.js',
  about: 'Runs every benchmark in its short version, at most five minutes in all, and prints one table.',
  defaults: { only: '', json: '' },
  lines: {
    only: 'runs only the benchmarks whose name holds this text',
    json: 'also writes the rows to this file',
  },
});

const MAX_MINUTES = 6;
const load = { messages: 1_500_000, warmUp: 400_000 };
const BENCHMARKS = {
  throughput: (say) => throughput({ rounds: 3, ...load, only: '' }, say),
  latency: (say) => latency({ rate: 10_000, seconds: 6, warmUpSeconds: 3, criticalEvery: 100 }, say),
  'black-hole': (say) => blackHole({ rounds: 3, ...load }, say),
  sources: (say) => sources({ rounds: 2, ...load }, say),
  connections: (say) => connections({ rounds: 2, connections: 1000, churn: 150_000 }, say),
  reloads: (say) => reloads({ reloads: 100, seconds: 30, rate: 10_000 }, say),
  soak: (say) => soak({ seconds: 20, settleSeconds: 8, rate: 0 }, say),
};

async function runAll() {
  const rows = [];
  for (const [name, measure] of Object.entries(BENCHMARKS)) {
    if (!name.includes(only)) continue;
    console.log(`${name} …`);
    const found = await measure(console.log).then(
      (result) => result.rows,
      (error) => [{ name: 'failed', value: '', target: 'runs', reached: false, note: firstLine(error) }],
    );
    rows.push(...found.map((row) => ({ ...row, name: `${name}: ${row.name}` })));
  }
  return rows;
}

const firstLine = (error) => String(error.message).split('\n').slice(0, 2).join(' ');

setTimeout(() => {
  console.error(`Not done after ${MAX_MINUTES} minutes; ended.`);
  process.exit(1);
}, MAX_MINUTES * 60_000).unref();

const machine = machineLine();
console.log(machine);
const startedMs = Date.now();
const rows = await runAll();
printReport(`${machine}; ${Math.round((Date.now() - startedMs) / 1000)} s`, rows);
if (json !== '') writeFileSync(json, `${JSON.stringify({ machine, rows }, null, 2)}\n`);
process.exit(0);
