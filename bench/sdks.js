// What an SDK costs the program that it is in, by language: a call, memory, start-up; and a thousand short Perl scripts.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { createJiti } from 'jiti';
import { median } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { configPath, startSidecar } from './rig/sidecar.js';
import { isMain, printReport } from './rig/table.js';

const jiti = createJiti(import.meta.url);
const { COST_US, LANGUAGES, NAMES, prepare } = await jiti.import('../sdks/conformance/languages.ts');
const { startAdapter } = await jiti.import('../sdks/conformance/adapter.ts');

const SPEC = {
  usage: 'sdks.js',
  about:
    'A log_event with three fields to a running sidecar, its encoding alone, memory and start-up, by language.',
  defaults: { calls: 20_000, rounds: 3, scripts: 1000, language: /** @type {string[]} */ ([]) },
  lines: {
    calls: 'events of a round; a tenth of them in R',
    rounds: 'rounds; the median of their quantiles is shown',
    scripts: 'Perl scripts, one after the other, each with and without the SDK',
    language: `some of ${LANGUAGES.join(', ')}; else all`,
  },
  choices: { language: LANGUAGES },
};

/** A port where nothing listens. */
const NOWHERE = 1;
/** What the SDK may add to a script that sends one event. */
const MOST_SCRIPT_MS = 5;
const SDKS = fileURLToPath(new URL('../sdks', import.meta.url));

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run({ calls, rounds, scripts, language: chosen }, say) {
  const languages = LANGUAGES.filter((one) => chosen.length === 0 || chosen.includes(one));
  const folder = mkdtempSync(join(tmpdir(), 'bench-sdks-'));
  const sidecar = await startSidecar({ config: configPath('throughput.yaml'), folder });
  const [host, port] = sidecar.tcp.split(':');
  const rows = [];
  try {
    for (const language of languages) {
      const command = await prepare(language, folder);
      const count = language === 'r' ? Math.ceil(calls / 10) : calls;
      const target = { host, port: Number(port) };
      const written = await burst(startAdapter(command), language, target, count, rounds);
      // Into a full backlog nothing is written: what is left is the record itself.
      const nowhere = { host, port: NOWHERE, buffer_bytes: 1000, quiet: true };
      const encoded = await burst(startAdapter(command), language, nowhere, count, rounds);
      say(`  ${NAMES[language]}: p50 ${written.p50.toFixed(1)} µs`);
      rows.push({
        name: `${NAMES[language]}: an event, p50`,
        value: `${written.p50.toFixed(1)} µs`,
        target: `≤ ${COST_US[language]} µs`,
        reached: written.p50 <= COST_US[language],
        note: `p99.9 ${written.p999.toFixed(0)} µs, max ${written.max.toFixed(0)} µs; without the socket p50 ${encoded.p50.toFixed(1)} µs; start ${written.startMs.toFixed(0)} ms, ${(written.rssBytes / 1e6).toFixed(0)} MB`,
      });
    }
    if (languages.includes('perl')) rows.push(await shortScripts(sidecar, scripts, say));
    return { rows };
  } finally {
    await sidecar.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Medians of the quantiles of rounds; how long the program took until it could log, and its memory then. */
async function burst(adapter, language, target, count, rounds) {
  const startedMs = performance.now();
  await adapter.call('init', { source: 'bench', ...target });
  // Only there does connecting take turns of an event loop, and only to whoever listens does it end.
  if (language === 'typescript' && target.port !== NOWHERE) await adapter.call('ready');
  const startMs = performance.now() - startedMs;
  const found = [];
  await adapter.call('burst', count);
  for (let round = 0; round < rounds; round++) {
    found.push(await adapter.call('burst', count));
    await adapter.call('flush', target.port === NOWHERE ? 0 : 5);
  }
  const rssBytes = rssOf(adapter.pid);
  await adapter.end();
  const of = (name) => median(found.map((one) => Number(one[name])));
  return { p50: of('p50'), p999: of('p999'), max: of('max'), startMs, rssBytes };
}

const rssOf = (pid) =>
  Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;

const PLAIN = 'my $sum = 0; $sum += $_ for 1 .. 1000;';
const WITH_SDK = `use Monitoring::SDK; my $m = Monitoring::SDK->new(source => 'script'); ${PLAIN} $m->log_event('info', 'done', { sum => $sum });`;

async function shortScripts(sidecar, scripts, say) {
  const env = {
    ...process.env,
    PERL5LIB: join(SDKS, 'perl', 'lib'),
    MONITORING_PORT: sidecar.tcp.split(':')[1],
  };
  const before = (await sidecar.metrics()).sum('sidecar_received_total', { source: 'script' });
  const costs = [];
  for (let n = 0; n < scripts; n++) {
    // In pairs, so that what the machine does meanwhile is in both.
    const plain = await took('perl', ['-e', PLAIN], env);
    costs.push((await took('perl', ['-e', WITH_SDK], env)) - plain);
  }
  const received = async () =>
    (await sidecar.metrics()).sum('sidecar_received_total', { source: 'script' }) - before;
  for (let tries = 0; tries < 100 && (await received()) < scripts; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const lost = scripts - (await received());
  say(`  ${scripts} Perl scripts: ${median(costs).toFixed(1)} ms each, ${lost} lost`);
  return {
    name: `Perl: ${scripts} scripts of one event`,
    value: `${median(costs).toFixed(1)} ms more, ${lost} lost`,
    target: `≤ ${MOST_SCRIPT_MS} ms, 0`,
    reached: lost === 0 && median(costs) <= MOST_SCRIPT_MS,
    note: 'median of pairs with and without the SDK',
  };
}

async function took(command, args, env) {
  const startedMs = performance.now();
  const child = spawn(command, args, { env, stdio: 'ignore' });
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`${command}: exit code ${code}`);
  return performance.now() - startedMs;
}

if (isMain(import.meta.url)) {
  const options = readOptions(SPEC);
  console.log(machineLine());
  const { rows } = await run(options, console.log);
  printReport('SDKs', rows);
  process.exit(0);
}
