import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startProgram } from './child.js';
import { pause } from './clock.js';

const BINARY = fileURLToPath(new URL('../../bin/sidecar', import.meta.url));

/** Options of node that the binary is run with, from its first line. */
export function binaryFlags() {
  const [, flags = ''] = /^#!.*?\bnode\b(.*)$/m.exec(readFileSync(BINARY, 'utf8')) ?? [];
  return flags.split(' ').filter(Boolean);
}

/** The path of a configuration of the benchmarks' own. */
export const configPath = (/** @type {string} */ name) =>
  fileURLToPath(new URL(`../configs/${name}`, import.meta.url));

/**
 * Starts a sidecar on free ports of the loopback, its output below `folder`/out (`${BENCH_OUT}` in a configuration),
 * its state in `dataDir`, else below `folder`. `isStuck`: nobody reads its stdout after its first line.
 * @param {{ config: string, folder: string, set?: readonly string[], env?: Record<string, string> | undefined,
 *   isStuck?: boolean | undefined, dataDir?: string | undefined }} options
 */
export async function startSidecar({ config, folder, set = [], env = {}, isStuck = false, dataDir }) {
  const out = join(folder, 'out');
  mkdirSync(out, { recursive: true });
  const settings = ['tcp.port=0', 'http.port=0', ...set].flatMap((setting) => ['--set', setting]);
  const args = ['run', '--config', config, '--data-dir', dataDir ?? join(folder, 'state'), ...settings];
  const child = startProgram(BINARY, args, { env: { BENCH_OUT: out, ...env }, isStuck });
  const { tcp, http } = await child.line((line) => line.tcp !== undefined && line.http !== undefined, 20_000);
  const metrics = () => readMetrics(http);
  return {
    pid: child.pid,
    tcp,
    http,
    out,
    child,
    metrics,
    stop: () => child.stop('SIGTERM', isStuck ? 1000 : 20_000),
  };
}

/**
 * The samples of a Prometheus page. `sum(name, match)` adds those of a name whose labels contain `match`'s.
 * @param {string} http
 */
export async function readMetrics(http) {
  const response = await fetch(`http://${http}/metrics`);
  const samples = [...(await response.text()).matchAll(/^(\w+)(?:\{(.*)\})? (\S+)$/gm)];
  const hasLabels = (text, match) =>
    Object.entries(match).every(([label, value]) => text.includes(`${label}="${value}"`));
  return {
    /** @type {(name: string, match?: Record<string, string>) => number} */
    sum: (name, match = {}) =>
      samples
        .filter(([, sampleName, labels = '']) => sampleName === name && hasLabels(labels, match))
        .reduce((total, [, , , value]) => total + Number(value), 0),
  };
}

/**
 * Waits until the sidecar has delivered `messages` since its start, at `backend` or anywhere.
 * @param {{ metrics: () => ReturnType<typeof readMetrics> }} sidecar
 * @param {number} messages
 * @param {{ backend?: string | undefined, withinMs?: number, everyMs?: number }} [options]
 */
export async function delivered(sidecar, messages, { backend, withinMs = 60_000, everyMs = 20 } = {}) {
  const match = { outcome: 'delivered', ...(backend === undefined ? {} : { backend }) };
  const deadline = Date.now() + withinMs;
  for (;;) {
    const done = (await sidecar.metrics()).sum('sidecar_outcomes_total', match);
    if (done >= messages) return done;
    if (Date.now() > deadline)
      throw new Error(`only ${done} of ${messages} messages delivered within ${withinMs} ms`);
    await pause(everyMs);
  }
}
