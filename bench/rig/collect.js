// Loaded into the sidecar by NODE_OPTIONS=--import: at SIGUSR2 it collects all garbage, waits until the collector has
// given memory back, and writes what is left to a new file of BENCH_MEMORY. The program itself is unchanged.
import { mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { pause } from './clock.js';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
const folder = process.env.BENCH_MEMORY ?? '.';
mkdirSync(folder, { recursive: true });
let count = 0;

process.on('SIGUSR2', async () => {
  for (let times = 0; times < 4; times++) {
    collect();
    await pause(100);
  }
  const { rss, heapUsed, external } = process.memoryUsage();
  count += 1;
  const path = join(folder, `${count}.json`);
  writeFileSync(`${path}.new`, JSON.stringify({ rss, live: heapUsed + external }));
  renameSync(`${path}.new`, path);
});
