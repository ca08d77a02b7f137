// Latency at a fixed rate: from the generator's write to the line being readable in the file, and, within the
// sidecar's process, from a critical message's arrival at the socket to `sink.send`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pause } from './rig/clock.js';
import { filesBelow } from './rig/lines.js';
import { send } from './rig/load.js';
import { grouped, milliseconds, summary } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { cpuSeconds, machineLine } from './rig/proc.js';
import { createScratch, removeScratch } from './rig/scratch.js';
import { configPath, delivered, startSidecar } from './rig/sidecar.js';
import { isMain, printReport, printTable } from './rig/table.js';
import { followLatencies } from './rig/tail.js';

const SPEC = {
  usage: 'latency.js',
  about: 'Percentiles of send → file and, for critical messages, received → sink.send.',
  defaults: { rate: 10_000, seconds: 10, warmUpSeconds: 3, criticalEvery: 100 },
  lines: {
    rate: 'messages a second',
    seconds: 'how long each measurement takes',
    warmUpSeconds: 'how long the same load runs before',
    criticalEvery: 'every n-th message is critical',
  },
};

/** @returns {Record<string, string | number | true>} */
const flagsOf = ({ rate, criticalEvery }, seconds) => ({
  rate,
  seconds,
  'critical-every': criticalEvery,
  mode: 'checked',
  stamped: true,
  finish: true,
});

/**
 * Starts a sidecar, warms it up and sends the measured load; `watch` is given the sidecar before, and told when to count from zero and to end.
 * @param {typeof SPEC.defaults} options
 * @param {{ folder: string, set?: readonly string[], env?: Record<string, string>,
 *   watch: (sidecar: Awaited<ReturnType<typeof startSidecar>>) => { reset: () => void, stop: () => void } }} how
 */
async function underLoad(options, { folder, set, env, watch }) {
  const sidecar = await startSidecar({ config: configPath('latency.yaml'), folder, set, env });
  const watched = watch(sidecar);
  const warm = await send(sidecar.tcp, flagsOf(options, options.warmUpSeconds));
  await delivered(sidecar, warm.messages);
  await pause(100); // until the last lines were read
  watched.reset();
  const cpu = cpuSeconds(sidecar.pid);
  const sent = await send(sidecar.tcp, flagsOf(options, options.seconds));
  await delivered(sidecar, warm.messages + sent.messages);
  const cores = (cpuSeconds(sidecar.pid) - cpu) / ((sent.endedUs - sent.startedUs) / 1e6);
  await pause(100);
  watched.stop();
  await sidecar.stop();
  return { sent, cores };
}

const scratchFor = ({ rate, seconds, warmUpSeconds }) =>
  createScratch(rate * (seconds + warmUpSeconds) * 450);

/** Send → file, in µs, with a setting of `batch.max_age`. */
async function toFile(options, maxAge) {
  const folder = scratchFor(options);
  /** @type {ReturnType<typeof followLatencies> | undefined} */
  let tail;
  const watch = ({ out }) => {
    tail = followLatencies(out);
    return tail;
  };
  const { sent, cores } = await underLoad(options, { folder, set: [`batch.max_age=${maxAge}`], watch });
  removeScratch(folder);
  return {
    plain: summary(tail?.plain ?? []),
    critical: summary(tail?.critical ?? []),
    cores,
    lateUs: sent.lateUs,
  };
}

/** Critical messages' way inside the process, in µs: `received` and `sent` (by the generator) → `sink.send`. */
async function toSend(options) {
  const folder = scratchFor(options);
  const stamps = join(folder, 'stamps');
  const preload = new URL('rig/stamp-sends.js', import.meta.url).href;
  const env = { BENCH_STAMPS: stamps, NODE_OPTIONS: `--import=${preload}` };
  const watch = () => ({ reset: () => {}, stop: () => {} });
  const { sent } = await underLoad(options, { folder, env, watch, set: ['batch.max_age=5s'] });
  const all = filesBelow(stamps).flatMap((path) => JSON.parse(readFileSync(path, 'utf8')));
  removeScratch(folder);
  const samples = all.filter(([arrivedUs]) => arrivedUs >= sent.startedUs);
  return {
    received: summary(samples.map((sample) => sample[1])),
    sent: summary(samples.map((sample) => sample[2])),
  };
}

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run(options, say) {
  const quick = await toFile(options, '5ms');
  say('  send → file with batch.max_age 5ms: done');
  const patient = await toFile(options, '5s');
  say('  send → file of critical messages with batch.max_age 5s: done');
  const inside = await toSend(options);
  say('  received → sink.send: done');
  return { quick, patient, inside, rows: rowsOf(options, quick, patient, inside) };
}

function rowsOf({ rate }, quick, patient, inside) {
  const at = `at ${grouped(rate)}/s`;
  const { received, sent } = inside;
  return [
    {
      name: `send → file p50 ${at}, max_age 5ms`,
      value: milliseconds(quick.plain.p50),
      target: '< 10 ms',
      reached: quick.plain.p50 < 10_000,
      note: `p99 ${milliseconds(quick.plain.p99)}, sidecar ${quick.cores.toFixed(2)} cores`,
    },
    {
      name: `critical, received → sink.send p99 ${at}`,
      value: milliseconds(received.p99),
      target: '< 1 ms',
      reached: received.p99 < 1000,
      note: `p50 ${milliseconds(received.p50)}; from the generator's write: p99 ${milliseconds(sent.p99)}`,
    },
    {
      name: `critical, send → file p99 ${at}, max_age 5s`,
      value: milliseconds(patient.critical.p99),
      note: `p50 ${milliseconds(patient.critical.p50)}`,
    },
  ];
}

function printPercentiles({ quick, patient, inside }) {
  const row = (name, s) => [
    name,
    grouped(s.count),
    ...[s.p50, s.p90, s.p99, s.p999, s.max].map(milliseconds),
  ];
  printTable([
    ['what', 'samples', 'p50', 'p90', 'p99', 'p99.9', 'max'],
    row('send → file, max_age 5ms', quick.plain),
    row('critical, send → file, max_age 5ms', quick.critical),
    row('send → file, max_age 5s', patient.plain),
    row('critical, send → file, max_age 5s', patient.critical),
    row('critical, received → sink.send', inside.received),
    row('critical, send → sink.send', inside.sent),
  ]);
  const late = Math.max(quick.lateUs, patient.lateUs);
  console.log(`The generator was at most ${milliseconds(late)} behind its rate; that is not in the figures.`);
}

if (isMain(import.meta.url)) {
  const options = readOptions(SPEC);
  console.log(machineLine());
  const measured = await run(options, console.log);
  printPercentiles(measured);
  printReport('Latency', measured.rows);
  process.exit(0);
}
