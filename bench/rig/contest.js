import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startNode } from './child.js';
import { countLines, lastWrittenUs } from './lines.js';
import { send } from './load.js';
import { median } from './numbers.js';
import { cpuSeconds, machineCpu, peakRssBytes } from './proc.js';
import { createScratch, removeScratch } from './scratch.js';
import { delivered, startSidecar } from './sidecar.js';

const BARE_LOOP = fileURLToPath(new URL('../bare-loop.js', import.meta.url));
/** A delivered line with all that the sidecar adds; bounds what a run may write. */
export const MAX_LINE_BYTES = 450;

/**
 * One program under load: `start` runs it with its output below `folder`/out; `settled` resolves once the files
 * hold `messages`, all that it was ever sent.
 * @typedef {{ pid: number, tcp: string, settled: (messages: number) => Promise<unknown>, stop: () => Promise<unknown>,
 *   batches: () => Promise<number> }} Running
 * @typedef {{ name: string, start: (folder: string) => Promise<Running> }} Contender
 */

/**
 * The bare loop. It is told that nothing more comes by the end of all connections.
 * @param {'original' | 'stringify'} variant
 * @param {readonly string[]} [nodeFlags]
 * @returns {Contender}
 */
export function bareLoop(variant, nodeFlags = []) {
  return {
    name: `bare loop, ${variant}`,
    start: async (folder) => {
      const out = join(folder, 'out');
      mkdirSync(out);
      const child = startNode([...nodeFlags, BARE_LOOP, '--out', out, '--variant', variant]);
      const { tcp } = await child.line((line) => line.event === 'listening', 10_000);
      const settled = (messages) =>
        child.line((line) => line.event === 'drained' && line.messages >= messages, 60_000);
      return { pid: child.pid, tcp, settled, stop: () => child.stop(), batches: async () => 0 };
    },
  };
}

/**
 * The sidecar with a configuration of the benchmarks', changed by `set` (`key=value`). `backend`: whose deliveries
 * count, else all; `everyMs`: how often it is asked for them, which costs it the more the more metrics it shows;
 * `stdout`: whether anybody reads the process's stdout once it has started; `isOnDisk`: its state is, too.
 * @param {string} name
 * @param {string} config
 * @param {{ backend?: string, stdout?: 'read' | 'unread', env?: Record<string, string>, isOnDisk?: boolean,
 *   set?: readonly string[], everyMs?: number }} [options]
 * @returns {Contender}
 */
export function sidecar(name, config, { backend, stdout, env, isOnDisk = false, set = [], everyMs } = {}) {
  return {
    name,
    start: async (folder) => {
      const dataDir = isOnDisk ? createScratch(0, { onDisk: true }) : undefined;
      const running = await startSidecar({ config, folder, env, isStuck: stdout === 'unread', dataDir, set });
      if (stdout === 'read') running.child.drain();
      const settled = (messages) => delivered(running, messages, { backend, everyMs });
      const batches = async () => (await running.metrics()).sum('sidecar_batches_total');
      const stop = async () => {
        await running.stop();
        if (dataDir !== undefined) removeScratch(dataDir);
      };
      return { ...running, settled, batches, stop };
    },
  };
}

/**
 * What one run measured. Time is from the first byte sent to the last byte in the files; CPU is that of the whole
 * process (all threads) in that time; `othersCores` is the CPU that anything else used or the hypervisor took meanwhile,
 * in cores: a run with much of it says little.
 * @typedef {{ perSecond: number, cpuPerMillion: number, peakRssBytes: number, batches: number, messages: number,
 *   lines: number, seconds: number, generatorCores: number, othersCores: number }} Result
 */

/**
 * Runs a contender in a new process and folder: a warm-up, then the measured load.
 * @param {Contender} contender
 * @param {{ messages: number, warmUp: number, flags?: Record<string, string | number | true> }} load
 * @returns {Promise<Result>}
 */
export async function measureOnce({ start }, { messages, warmUp, flags = {} }) {
  const folder = createScratch((messages + warmUp) * MAX_LINE_BYTES);
  const running = await start(folder);
  const warm = await send(running.tcp, { messages: warmUp, finish: true, ...flags });
  await running.settled(warm.messages);
  // First, as telling them costs CPU, too.
  const batchesBefore = await running.batches();
  const [cpuBefore, machineBefore] = [cpuSeconds(running.pid), machineCpu()];
  const sent = await send(running.tcp, { messages, finish: true, ...flags });
  await running.settled(warm.messages + sent.messages);
  const cpu = cpuSeconds(running.pid) - cpuBefore;
  const machine = machineCpu() - machineBefore;
  const out = join(folder, 'out');
  const seconds = (lastWrittenUs(out) - sent.startedUs) / 1e6;
  const result = {
    perSecond: sent.messages / seconds,
    cpuPerMillion: (cpu / sent.messages) * 1e6,
    peakRssBytes: peakRssBytes(running.pid),
    batches: (await running.batches()) - batchesBefore,
    messages: sent.messages,
    lines: countLines(out) - warm.messages,
    seconds,
    generatorCores: sent.cpuSeconds / seconds,
    othersCores: Math.max(0, machine - cpu - sent.cpuSeconds) / seconds,
  };
  await running.stop();
  removeScratch(folder);
  if (result.lines !== result.messages)
    throw new Error(`${result.lines} lines of ${result.messages} messages`);
  return result;
}

/**
 * Runs all contenders in turn, `rounds` times, the order reversed every other round.
 * @param {readonly Contender[]} contenders
 * @param {number} rounds
 * @param {(contender: Contender) => Promise<Result>} run
 * @param {(text: string) => void} say
 * @returns {Promise<Map<string, Result[]>>} by name, in the order given
 */
export async function interleave(contenders, rounds, run, say) {
  /** @type {Map<string, Result[]>} */
  const results = new Map(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const contender of round % 2 === 0 ? contenders : [...contenders].reverse()) {
      const result = await run(contender);
      results.get(contender.name)?.push(result);
      const figures = `${Math.round(result.perSecond)}/s, ${result.cpuPerMillion.toFixed(2)} CPU s/M`;
      say(`  round ${round + 1}: ${contender.name}: ${figures}`);
    }
  }
  return results;
}

/**
 * Median of each figure; `spread`: the range of messages a second in percent of their median.
 * @param {readonly Result[]} runs
 */
export function mediansOf(runs) {
  const rates = runs.map((run) => run.perSecond);
  const spread = ((Math.max(...rates) - Math.min(...rates)) / median(rates)) * 100;
  const of = (key) => median(runs.map((run) => run[key]));
  return /** @type {Result & { spread: number }} */ ({
    ...Object.fromEntries(Object.keys(runs[0] ?? {}).map((key) => [key, of(key)])),
    spread,
  });
}
