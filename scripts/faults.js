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
const broken = await playAll({ schedules: Number(values.schedules), seed, say: console.log });
console.log(`${broken.length} of ${values.schedules} schedules broke a promise`);
process.exit(broken.length === 0 ? 0 : 1);
