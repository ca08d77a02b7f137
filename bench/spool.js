// What the spool costs: durable batches, and none while the backend keeps up; and how long a stop with a dead backend takes.

import { mkdirSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { pause } from './rig/clock.js';
import { interleave, measureOnce, mediansOf, sidecar } from './rig/contest.js';
import { compareSeqs } from './rig/lines.js';
import { send } from './rig/load.js';
import { grouped, median } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { createScratch, removeScratch } from './rig/scratch.js';
import { configPath, delivered, startSidecar } from './rig/sidecar.js';
import { isMain, printReport } from './rig/table.js';

const SPEC = {
  usage: 'spool.js',
  about:
    'Messages a second through the whole sidecar with durability disk, and in memory with and without the spool as a way out; and SIGTERM with a dead backend.',
  defaults: { rounds: 3, messages: 1_000_000, warmUp: 300_000, waiting: 100_000 },
  lines: {
    rounds: 'how often each runs',
    messages: 'measured messages of a run',
    warmUp: 'messages before them',
    waiting: 'messages in memory when SIGTERM comes',
  },
};

/** Messages a second with grouped syncs that must be reached; the part of the rate that the spool may cost idle. */
const DURABLE_PER_SECOND = 100_000;
const IDLE_SHARE = 0.9;
const STOP_SECONDS = 10;
const NOWHERE = 'postgresql://bench@127.0.0.1:9/bench';

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run(options, say) {
  const rates = await rateRows(options, say);
  return { rows: [...rates, await stopAndResume(options, say), await stopHanging(options, say)] };
}

async function rateRows({ rounds, messages, warmUp }, say) {
  const config = configPath('spool.yaml');
  const way = (name, durability, whenFull) =>
    sidecar(name, config, {
      isOnDisk: true,
      env: { BENCH_DURABILITY: durability, BENCH_WHEN_FULL: whenFull },
    });
  const contenders = [
    way('disk', 'disk', 'spill'),
    way('memory, spill', 'memory', 'spill'),
    way('memory, shed', 'memory', 'shed'),
  ];
  const measure = (contender) => measureOnce(contender, { messages, warmUp });
  const results = await interleave(contenders, rounds, measure, say);
  const of = (name) => results.get(name) ?? [];
  const share = (name) =>
    median(
      of(name).map((one, round) => one.perSecond / (of('memory, shed')[round]?.perSecond ?? Number.NaN)),
    );
  const shown = (name) => mediansOf(of(name));
  const note = (name) =>
    `${grouped(shown(name).perSecond)}/s, ${shown(name).cpuPerMillion.toFixed(2)} CPU s/M`;
  const durable = shown('disk').perSecond;
  const idle = share('memory, spill');
  return [
    {
      name: 'durability disk',
      value: `${grouped(durable)}/s`,
      target: `≥ ${grouped(DURABLE_PER_SECOND)}/s`,
      reached: durable >= DURABLE_PER_SECOND,
      note: `${(share('disk') * 100).toFixed(0)} % of memory; ${shown('disk').cpuPerMillion.toFixed(2)} CPU s/M`,
    },
    {
      name: 'memory with the spool, of when_full: shed',
      value: `${(idle * 100).toFixed(0)} %`,
      target: `≥ ${IDLE_SHARE * 100} %`,
      reached: idle >= IDLE_SHARE,
      note: `${note('memory, spill')}; shed ${note('memory, shed')}`,
    },
  ];
}

/** A sidecar that holds `waiting` messages for a dead backend is told to stop; seconds until it has, and how. */
async function stopWith(backend, { waiting, folder, server = NOWHERE }) {
  const sidecar = await startSidecar({
    config: configPath('dead.yaml'),
    folder,
    env: { BENCH_BACKEND: backend, BENCH_SERVER: server },
  });
  const sent = await send(sidecar.tcp, { messages: waiting, mode: 'checked', finish: true });
  const received = async () => (await sidecar.metrics()).sum('sidecar_batched_messages_total');
  while ((await received()) < sent.messages) await pause(20);
  const startedMs = performance.now();
  const code = await sidecar.child.stop('SIGTERM', 60_000);
  return { sent, code, seconds: (performance.now() - startedMs) / 1000 };
}

const stopRow = (name, { sent, code, seconds }, isWhole, note) => ({
  name: `SIGTERM, ${grouped(sent.messages)} messages wait, ${name}`,
  value: `${seconds.toFixed(2)} s`,
  target: `≤ ${STOP_SECONDS} s, exit 0`,
  reached: seconds <= STOP_SECONDS && code === 0 && isWhole,
  note: `exit ${code}; ${note}`,
});

/** The backend fails; after a restart it is there. */
async function stopAndResume({ waiting }, say) {
  const folder = createScratch(waiting * 1000);
  const stopped = await stopWith('files', { waiting, folder });
  const { sent } = stopped;
  mkdirSync(join(folder, 'out', 'mounted'));
  const startedMs = performance.now();
  const next = await startSidecar({
    config: configPath('dead.yaml'),
    folder,
    env: { BENCH_BACKEND: 'files', BENCH_SERVER: NOWHERE },
  });
  await delivered(next, sent.messages, { backend: 'files' });
  const seconds = (performance.now() - startedMs) / 1000;
  await next.stop();
  const { lines, lost, duplicated, disordered } = compareSeqs(next.out, sent.bySource);
  removeScratch(folder);
  say('  a stop with a backend that fails: done');
  const isWhole = lines === sent.messages && lost + duplicated + disordered === 0;
  return stopRow(
    'its backend fails',
    stopped,
    isWhole,
    `${grouped(lines)} arrive in order within ${seconds.toFixed(1)} s of the next start`,
  );
}

/** The backend takes connections and never says a word. */
async function stopHanging({ waiting }, say) {
  const server = createServer((socket) => socket.on('error', () => {}).resume()).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const folder = createScratch(waiting * 1000);
  const url = `postgresql://bench@127.0.0.1:${port}/bench`;
  const stopped = await stopWith('server', { waiting, folder, server: url });
  server.close();
  const next = await startSidecar({
    config: configPath('dead.yaml'),
    folder,
    env: { BENCH_BACKEND: 'files', BENCH_SERVER: url },
  });
  const onDisk = async () => (await next.metrics()).sum('sidecar_spool_messages', { backend: 'server' });
  // The spool of an earlier run is looked through in the background.
  for (let tries = 0; tries < 250 && (await onDisk()) < stopped.sent.messages; tries++) await pause(20);
  const found = await onDisk();
  await next.child.stop('SIGTERM', 60_000);
  removeScratch(folder);
  say('  a stop with a backend that hangs: done');
  return stopRow(
    'its backend hangs',
    stopped,
    found === stopped.sent.messages,
    `${grouped(found)} are on disk at the next start`,
  );
}

if (isMain(import.meta.url)) {
  const options = readOptions(SPEC);
  console.log(machineLine());
  const { rows } = await run(options, console.log);
  printReport('Spool', rows);
  process.exit(0);
}
