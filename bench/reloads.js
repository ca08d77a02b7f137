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

const GOOD = { kind: 'good', spoil: (text) => text };
/** Whole files with something wrong; and torn ones, which a reader may take for half written and wait. */
const BAD = [
  { kind: 'wrong', spoil: (text) => text.replace('backend: files', 'backend: fils') },
  { kind: 'torn', spoil: (text) => text.slice(0, text.length / 2) },
  { kind: 'wrong', spoil: (text) => `${text}colour: blue\n` },
  { kind: 'torn', spoil: () => '' },
  { kind: 'wrong', spoil: (text) => text.replace('max_age: 200ms', 'max_age: soon') },
  { kind: 'torn', spoil: (text) => text.replace('routing:', 'routing: [') },
];
const EDITS = [
  { isGood: false, save: SAVES.renamed },
  { isGood: true, save: SAVES.inPlace },
  { isGood: true, save: SAVES.renamed },
  { isGood: true, save: SAVES.symlinked },
];

/** Makes the edits, evenly spread; returns how many were good, wrong and torn. */
async function edit(path, { reloads, seconds }) {
  const startedMs = Date.now();
  const counts = { good: 0, wrong: 0, torn: 0 };
  for (let turn = 0; turn < reloads; turn++) {
    const { isGood, save } = EDITS[turn % EDITS.length];
    const { kind, spoil } = isGood ? GOOD : BAD[(turn / EDITS.length) % BAD.length];
    save(path, spoil(goodConfig(turn + 1)));
    counts[kind] += 1;
    await pause(startedMs + ((turn + 1) * seconds * 1000) / reloads - Date.now());
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
  const { good, wrong, torn } = edits;
  // On a busy machine two edits may fall into one look.
  const seen = counts.applied >= 0.9 * good && counts.rejected >= 0.9 * wrong;
  return [
    none('lost', found.lost, `of ${grouped(sent.messages)}; ${complaint}`),
    none('duplicated', found.duplicated, `${grouped(found.foreign)} lines nobody sent`),
    none('out of order', found.disordered, 'within a source and a file'),
    none('disconnected', sent.troubles.length, sent.troubles[0]),
    {
      name: 'reloads applied + refused',
      value: `${counts.applied} + ${counts.rejected}`,
      target: `${good} + ${wrong} to ${wrong + torn}`,
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
