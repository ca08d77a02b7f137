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
    'Edits the configuration again and again under load, one in four of them bad, and compares every number.',
  defaults: { reloads: 100, seconds: 30, rate: 10_000 },
  lines: {
    reloads: 'edits: in place, bad, renamed over and by a link, in turn',
    seconds: 'the time they are spread over; a few bad ones stay for 1.2 s, so that they are refused',
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

/** Whole files with something wrong, and torn ones. */
const SPOILS = [
  (text) => text.replace('backend: files', 'backend: fils'),
  (text) => text.slice(0, text.length / 2),
  (text) => `${text}colour: blue\n`,
  () => '',
  (text) => text.replace('max_age: 200ms', 'max_age: soon'),
];
const EDITS = [
  { isGood: false, save: SAVES.renamed },
  { isGood: true, save: SAVES.inPlace },
  { isGood: true, save: SAVES.renamed },
  { isGood: true, save: SAVES.symlinked },
];
/** A file that does not hold a configuration may be half written: it is refused once it stayed so for a while. */
const STAYS_MS = 1200;
const isStaying = (turn) => turn % (EDITS.length * 3) === 0;

/** Makes the edits, evenly spread but for the bad ones that stay; returns how many were good, bad and staying. */
async function edit(path, { reloads, seconds }) {
  const turns = Array.from({ length: reloads }, (_, turn) => turn);
  const staying = turns.filter(isStaying).length;
  const restMs = Math.max(0, seconds * 1000 - staying * STAYS_MS) / (reloads - staying);
  const counts = { good: 0, bad: 0, staying };
  let dueMs = Date.now();
  for (const turn of turns) {
    const { isGood, save } = EDITS[turn % EDITS.length];
    const text = goodConfig(turn + 1);
    save(path, isGood ? text : SPOILS[(turn / EDITS.length) % SPOILS.length](text));
    counts[isGood ? 'good' : 'bad'] += 1;
    dueMs += isStaying(turn) ? STAYS_MS : restMs;
    await pause(dueMs - Date.now());
  }
  return counts;
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
  const edits = await edit(config, options);
  say(`  ${options.reloads} edits made`);
  const sent = await load.sent;
  const complaint = await delivered(sidecar, sent.messages, { withinMs: 15_000 }).then(() => '', String);
  const metrics = await sidecar.metrics();
  const reloads = (result) => metrics.sum('sidecar_reloads_total', { result });
  const counts = { applied: reloads('applied'), rejected: reloads('rejected') };
  const code = await sidecar.stop();
  const found = compareSeqs(sidecar.out, sent.bySource);
  removeScratch(folder);
  return { found, rows: rowsOf({ sent, found, edits, counts, complaint, code }) };
}

function rowsOf({ sent, found, edits, counts, complaint, code }) {
  const none = (name, count, note = '') => ({
    name,
    value: grouped(count),
    target: '0',
    reached: count === 0,
    note,
  });
  const { good, bad, staying } = edits;
  // On a busy machine two edits may fall into one look.
  const seen = counts.applied >= 0.9 * good && counts.rejected >= 0.9 * staying;
  return [
    none('lost', found.lost, `of ${grouped(sent.messages)}; ${complaint}`),
    none('duplicated', found.duplicated, `${grouped(found.foreign)} lines nobody sent`),
    none('out of order', found.disordered, 'within a source and a file'),
    none('disconnected', sent.troubles.length, sent.troubles[0]),
    {
      name: 'reloads applied + refused',
      value: `${counts.applied} + ${counts.rejected}`,
      target: `${good} + ${staying} to ${bad}`,
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
