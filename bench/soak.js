// Memory at full rate over minutes: sampled each second, its peak and its slope.
import { pause } from './rig/clock.js';
import { startLoad } from './rig/load.js';
import { grouped, median, megabytes, slope } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { machineLine, peakRssBytes, rssBytes } from './rig/proc.js';
import { createScratch, removeScratch } from './rig/scratch.js';
import { configPath, delivered, startSidecar } from './rig/sidecar.js';
import { isMain, printReport } from './rig/table.js';

const SPEC = {
  usage: 'soak.js',
  about: 'Resident memory while messages come as fast as TCP takes them; the files are rotated and deleted.',
  defaults: { seconds: 300, settleSeconds: 30, rate: 0 },
  lines: {
    seconds: 'how long',
    settleSeconds: 'samples before this do not count for the slope',
    rate: 'messages a second; 0: as fast as TCP takes them',
  },
};

const FILES_BYTES = 2 * 4 * 64 * 2 ** 20;
/** A slope over less than this time is noise of the garbage collector. */
const JUDGED_FROM_SECONDS = 120;
/** Growth in an hour that still counts as flat; the noise of five minutes is about this large. */
const FLAT_BYTES_AN_HOUR = 60e6;

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run({ seconds, settleSeconds, rate }, say) {
  const folder = createScratch(FILES_BYTES);
  const sidecar = await startSidecar({ config: configPath('soak.yaml'), folder });
  const load = startLoad(sidecar.tcp, { seconds, rate, finish: true });
  await load.started;
  const samples = await sample(sidecar.pid, seconds, say);
  const sent = await load.sent;
  await delivered(sidecar, sent.messages);
  const peak = peakRssBytes(sidecar.pid);
  await sidecar.stop();
  removeScratch(folder);
  const settled = samples.filter(([at]) => at >= Math.min(settleSeconds, seconds / 3));
  const hourly = slope(settled) * 3600;
  const perSecond = sent.messages / ((sent.endedUs - sent.startedUs) / 1e6);
  return { samples, rows: rowsOf({ seconds, settled, hourly, peak, perSecond }) };
}

/** Resident bytes by seconds since the start. */
async function sample(pid, seconds, say) {
  const samples = /** @type {[number, number][]} */ ([]);
  const startedMs = Date.now();
  for (let second = 1; second <= seconds; second++) {
    await pause(startedMs + second * 1000 - Date.now());
    samples.push([second, rssBytes(pid)]);
    if (second % 30 === 0) say(`  ${second} s: ${megabytes(samples.at(-1)?.[1] ?? 0)}`);
  }
  return samples;
}

function rowsOf({ seconds, settled, hourly, peak, perSecond }) {
  const typical = median(settled.map(([, bytes]) => bytes));
  const growth = {
    name: 'growth of RSS',
    value: `${(hourly / 1e6).toFixed(1)} MB/h`,
    note: `over ${settled.length} s`,
  };
  const verdict = { target: `≤ ${FLAT_BYTES_AN_HOUR / 1e6} MB/h`, reached: hourly <= FLAT_BYTES_AN_HOUR };
  return [
    {
      name: `peak RSS in ${seconds} s`,
      value: megabytes(peak),
      target: '≤ 200 MB',
      reached: peak <= 200e6,
      note: `median ${megabytes(typical)} at ${grouped(perSecond)} messages/s`,
    },
    seconds >= JUDGED_FROM_SECONDS ? { ...growth, ...verdict } : { ...growth, note: 'too short to judge' },
  ];
}

if (isMain(import.meta.url)) {
  const options = readOptions(SPEC);
  console.log(machineLine());
  const { rows } = await run(options, console.log);
  printReport('Soak', rows);
  process.exit(0);
}
