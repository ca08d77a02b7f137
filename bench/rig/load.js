import { fileURLToPath } from 'node:url';
import { startNode } from './child.js';

/** How much longer than it was told to a generator may take. */
const SPARE_MS = 600_000;
const GENERATOR = fileURLToPath(new URL('../generator.js', import.meta.url));

/**
 * What a generator has sent; times in epoch µs. `lateUs`: the longest it was behind its rate. `bySource`: messages
 * by source, in mode checked. `troubles`: errors and ends of connections that it did not ask for.
 * @typedef {{ startedUs: number, endedUs: number, cpuSeconds: number, lateUs: number, messages: number,
 *   bytes: number, bySource: Record<string, number>, troubles: string[] }} Sent
 */

/**
 * Starts a generator against `tcp`; `flags` are its options. `sent` is what it says at its end.
 * @param {string} tcp
 * @param {Record<string, string | number | true>} flags
 */
export function startLoad(tcp, flags) {
  const args = Object.entries(flags).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, String(value)],
  );
  const child = startNode([GENERATOR, '--tcp', tcp, ...args]);
  /** @type {Promise<Sent>} */
  const sent = child.line((line) => line.event === 'sent', Number(flags.seconds ?? 0) * 1000 + SPARE_MS);
  sent.catch(() => {}); // reported to whoever awaits it
  const started = child.line((line) => line.event === 'started', 60_000);
  return { pid: child.pid, started, sent, stop: () => child.stop('SIGTERM', 30_000) };
}

/** Sends one load and waits for its end. */
export async function send(
  /** @type {string} */ tcp,
  /** @type {Record<string, string | number | true>} */ flags,
) {
  return startLoad(tcp, flags).sent;
}
