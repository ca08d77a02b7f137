// The configuration is edited all the time while numbered messages flow: nothing may be lost, sent twice or cut off.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pause } from './rig/clock.js';
import { SAVES } from './rig/edits.js';
import { compareSeqs } from './rig/lines.js';
import { startLoad } from './rig/load.js';
import { grouped } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { createScratch, removeScratch } from './rig/scratch.js';
import { delivered, startSidecar } from './rig/sidecar.js';
import { isMain, printReport } from './rig/table.js';

const SPEC = {
  usage: 'reloads.js',
  about:
    'Edits the configuration again and again under load, one in four of them badly, and compares every number.',
  defaults: { reloads: 100, seconds: 30, rate: 10_000 },
  lines: {
    reloads: 'edits: in place, bad, renamed over and by a link, in turn',
    seconds: 'the time they are spread over',
    rate: 'messages a second; 0: as fast as TCP takes them',
  },
};

const SOURCES = ['config-service', 'file-receiver', 'queue-service', 'db-loader'];

/** A good configuration that differs from the one before: other files, batches, rules and a backend that comes and goes. */
function goodConfig(turn) {
  const rules = SOURCES.map((source, index) => {
    const backend = index === 3 && turn % 2 === 1 ? 'guest' : 'files';
    return `  ${source}:\n    - backend: ${backend}\n      config:\n        path: ${backend}-${(turn + index) % 3}.jsonl\n`;
  });
  const backend = (name) => `  ${name}:\n    type: filesystem\n    base_path: \${BENCH_OUT}\n`;
  const backends = backend('files') + (turn % 2 === 1 ? backend('guest') : '');
  return `batch:\n  max_count: ${50 + (turn % 5) * 50}\n  max_age: 200ms\nrouting:\n${rules.join('')}backends:\n${backends}`;
}

const BAD = [
  (text) => text.replace('backend: files', 'backend: fils'),
  (text) => text.replace('routing:', 'routing: ['),
  (text) => text.slice(0, text.length / 2),
  () => '',
];

const KINDS = [
  { isGood: true, save: SAVES.inPlace },
  { isGood: false, save: SAVES.renamed },
  { isGood: true, save: SAVES.renamed },
  { isGood: true, save: SAVES.symlinked },
];

/** Makes the edits, evenly spread; returns how many were good. */
async function edit(path, { reloads, seconds }) {
  const startedMs = Date.now();
  let good = 0;
  for (let turn = 1; turn <= reloads; turn++) {
    const { isGood, save } = KINDS[turn % KINDS.length] ?? KINDS[0];
    const text = goodConfig(turn);
    const spoil = BAD[Math.floor(turn / KINDS.length) % BAD.length];
    save(path, isGood ? text : spoil(text));
    if (isGood) good += 1;
    await pause(startedMs + (turn * seconds * 1000) / reloads - Date.now());
  }
  return good;
}

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run(options, say) {
  const { rate, seconds } = options;
  const folder = createScratch((rate || 400_000) * (seconds + 5) * 450);
  const config = join(folder, 'config', 'sidecar.yaml');
  mkdirSync(join(folder, 'config'));
  writeFileSync(config, goodConfig(0));
  const sidecar = await startSidecar({ config, folder });
  const load = startLoad(sidecar.tcp, { rate, seconds: seconds + 2, mode: 'checked', finish: true });
  await load.started;
  const good = await edit(config, options);
  say(`  ${options.reloads} edits made`);
  const sent = await load.sent;
  const complaint = await delivered(sidecar, sent.messages, { withinMs: 15_000 }).then(() => '', String);
  const metrics = await sidecar.metrics();
  const reloads = (result) => metrics.sum('sidecar_reloads_total', { result });
  const counts = { applied: reloads('applied'), rejected: reloads('rejected') };
  const code = await sidecar.stop();
  const found = compareSeqs(sidecar.out, sent.bySource);
  removeScratch(folder);
  return { found, rows: rowsOf({ options, sent, found, good, counts, complaint, code }) };
}

function rowsOf({ options, sent, found, good, counts, complaint, code }) {
  const none = (name, count, note = '') => ({
    name,
    value: grouped(count),
    target: '0',
    reached: count === 0,
    note,
  });
  const bad = options.reloads - good;
  const seen = counts.applied >= good && counts.rejected >= bad;
  return [
    none('lost', found.lost, `of ${grouped(sent.messages)}; ${complaint}`),
    none('duplicated', found.duplicated, `${grouped(found.foreign)} lines nobody sent`),
    none('out of order', found.disordered, 'within a source and a file'),
    none('disconnected', sent.troubles.length, sent.troubles[0]),
    {
      name: 'reloads applied + refused',
      value: `${counts.applied} + ${counts.rejected}`,
      target: `${good} + ${bad}`,
      reached: seen,
      note: `exit code ${code}`,
    },
  ];
}

if (isMain(import.meta.url)) {
  const options = readOptions(SPEC);
  console.log(machineLine());
  const { rows } = await run(options, console.log);
  printReport('Reloads', rows);
  process.exit(0);
}
