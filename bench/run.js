// All benchmarks in their short versions, one after the other, and one table. `npm run bench`.
import { writeFileSync } from 'node:fs';
import { run as blackHole } from './black-hole.js';
import { run as connections } from './connections.js';
import { run as history } from './history.js';
import { run as latency } from './latency.js';
import { run as postgres } from './postgres.js';
import { run as reloads } from './reloads.js';
import { killChildren } from './rig/child.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { printReport } from './rig/table.js';
import { run as soak } from './soak.js';
import { run as sources } from './sources.js';
import { run as spool } from './spool.js';
import { run as stages } from './stages.js';
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

const MAX_MS = 5 * 60_000;
const startedMs = Date.now();
const load = { messages: 1_000_000, warmUp: 300_000 };
const BENCHMARKS = {
  throughput: (say) => throughput({ rounds: 3, ...load, bareFlags: '', only: '' }, say),
  stages: (say) => stages({ rounds: 3, messages: 200_000 }, say),
  latency: (say) => latency({ rate: 10_000, seconds: 6, warmUpSeconds: 3, criticalEvery: 100 }, say),
  postgres: (say) => postgres({ rounds: 3, messages: 100_000, singles: 500 }, say),
  history: (say) => history({ jobs: 100_000, messages: 6, asked: 100 }, say),
  reloads: (say) => reloads({ reloads: 100, seconds: 30, rate: 10_000 }, say),
  'black-hole': (say) => blackHole({ rounds: 1, ...load, rate: 10_000, seconds: 5, minutes: 0 }, say),
  spool: (say) => spool({ rounds: 1, messages: 600_000, warmUp: load.warmUp, waiting: 100_000 }, say),
  sources: (say) => sources({ rounds: 2, ...load }, say),
  connections: (say) => connections({ rounds: 2, connections: 4000, churn: 50_000 }, say),
  soak: (say) => soak({ seconds: 20, settleSeconds: 8, rate: 0 }, say),
};

/** Rejects when the five minutes are over; what still runs is killed at the exit. */
const outOfTime = new Promise((_, reject) => {
  setTimeout(() => reject(new Error('not done within five minutes; run it alone')), MAX_MS).unref();
});
outOfTime.catch(() => {});

async function runAll() {
  const rows = [];
  for (const [name, measure] of Object.entries(BENCHMARKS)) {
    if (!name.includes(only)) continue;
    console.log(`${name} …`);
    const found = await Promise.race([outOfTime, measure(console.log)]).then(
      (result) => result.rows,
      (error) => {
        killChildren();
        return [{ name: 'failed', value: '', target: 'runs', reached: false, note: firstLine(error) }];
      },
    );
    rows.push(...found.map((row) => ({ ...row, name: `${name}: ${row.name}` })));
    if (Date.now() - startedMs >= MAX_MS) break;
  }
  return rows;
}

const firstLine = (error) => String(error.message).split('\n').slice(0, 2).join(' ');

const machine = machineLine();
console.log(machine);
const rows = await runAll();
printReport(`${machine}; ${Math.round((Date.now() - startedMs) / 1000)} s`, rows);
if (json !== '') writeFileSync(json, `${JSON.stringify({ machine, rows }, null, 2)}\n`);
process.exit(0);
