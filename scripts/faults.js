// Random faults, and a ledger of what the sidecar owes: `node scripts/faults.js --schedules 200 --seed 1`.
import { parseArgs } from 'node:util';
import { createJiti } from 'jiti';
import { build, install } from './prepare.js';

const { values } = parseArgs({
  options: { schedules: { type: 'string', default: '200' }, seed: { type: 'string' } },
});
const seed = Number(values.seed ?? Math.floor(Math.random() * 1e6));
install();
build();
console.log(`${values.schedules} schedules from seed ${seed}; one alone: --schedules 1 --seed N`);
const { playAll } = await createJiti(import.meta.url).import('../test/faults/main.ts');
// The schedule that plays is played to its end, so that no server and no mounted disk is left behind.
const interrupted = new AbortController();
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => interrupted.abort());
const { played, broken } = await playAll({
  schedules: Number(values.schedules),
  seed,
  say: console.log,
  signal: interrupted.signal,
});
console.log(`${broken.length} of ${played} schedules broke a promise`);
for (const text of broken) console.log(text);
process.exit(broken.length === 0 ? 0 : 1);
