import { pause } from './clock.js';
import { createComparison } from './lines.js';
import { startLoad } from './load.js';
import { grouped, summary } from './numbers.js';
import { peakRssBytes } from './proc.js';
import { createScratch, removeScratch } from './scratch.js';
import { configPath, delivered, startSidecar } from './sidecar.js';
import { followLatencies } from './tail.js';

const WARM_UP_SECONDS = 3;
/** A file, a pipe and a spool each have every message. */
const BYTES = 3 * 450;
const HEAL_MS = 600_000;
const ROOM = 'backends.hole.spool.max_bytes=100GiB';

/**
 * Sends at a fixed rate to two files, alone or beside a console whose reader has stopped reading; then the reader
 * reads on. Batches wait 5 ms at most. `latency`: of the files' lines, in µs; `perSecond`: of the files, from the
 * first message to when the last is delivered; `diverted`: messages for the console that are in the spool or were
 * shed; `healed`: what the reader found of all that was `sent`.
 * @param {'alone' | 'spill' | 'shed'} mode
 * @param {{ rate: number, seconds: number, queue: string }} load
 * @param {(text: string) => void} say
 */
export async function fixed(mode, { rate, seconds, queue }, say) {
  const isAlone = mode === 'alone';
  const folder = createScratch(rate * (seconds + WARM_UP_SECONDS) * BYTES);
  const sidecar = await startSidecar({
    config: configPath(isAlone ? 'throughput.yaml' : 'black-hole.yaml'),
    folder,
    set: ['batch.max_age=5ms', ...(isAlone ? [] : [`backends.hole.queue.max_bytes=${queue}`, ROOM])],
    env: isAlone ? undefined : { BENCH_WHEN_FULL: mode },
    isStuck: !isAlone,
  });
  const tail = followLatencies(sidecar.out);
  const flags = { rate, mode: 'checked', stamped: true, finish: true };
  const load = startLoad(sidecar.tcp, { ...flags, seconds: seconds + WARM_UP_SECONDS });
  await load.started;
  await pause(WARM_UP_SECONDS * 1000);
  tail.reset();
  const sent = await load.sent;
  await delivered(sidecar, sent.messages, { backend: 'files', everyMs: 5 });
  const elapsed = (Date.now() * 1000 - sent.startedUs) / 1e6;
  await pause(100);
  tail.stop();
  const metrics = await sidecar.metrics();
  const hole = { backend: 'hole' };
  const found = {
    seconds,
    diverted:
      metrics.sum('sidecar_spool_messages', hole) +
      metrics.sum('sidecar_outcomes_total', { ...hole, outcome: 'shed' }),
    sent: sent.messages,
    perSecond: sent.messages / elapsed,
    latency: summary(tail.plain),
    peakRssBytes: peakRssBytes(sidecar.pid),
  };
  const healed = mode === 'spill' ? await heal(sidecar, sent) : NOTHING;
  await sidecar.stop();
  removeScratch(folder);
  say(`  ${mode}, ${seconds} s at ${grouped(rate)}/s: ${grouped(found.perSecond)}/s`);
  return { ...found, healed };
}

const NOTHING = { lines: 0, lost: 0, duplicated: 0, disordered: 0, seconds: 0 };

/** Reads what the console writes until all of it is there. */
async function heal(sidecar, { messages, bySource }) {
  const startedMs = performance.now();
  const comparison = createComparison(bySource);
  let rest = '';
  sidecar.child.drain((chunk) => {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) comparison.take(line);
  });
  await delivered(sidecar, messages, { backend: 'hole', withinMs: HEAL_MS });
  const seconds = (performance.now() - startedMs) / 1000;
  while (comparison.lines() < messages && performance.now() - startedMs < HEAL_MS) await pause(20);
  return { ...comparison.judge(), seconds };
}
