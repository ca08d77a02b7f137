import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { clockEnv } from './clock.js';

/** @type {Set<import('node:child_process').ChildProcess>} */
const living = new Set();
/** Kills what a benchmark that failed has left running. */
export function killChildren() {
  for (const child of living) child.kill('SIGKILL');
}

process.on('exit', killChildren);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));

/**
 * A program of the benchmark's own that says what it has to say in JSON lines on stdout.
 * `line(match, ms)` resolves with the first line, past or to come, for which `match` is true; it rejects when the
 * program ends without one or after `ms`. `stop(signal, ms)` resolves with the exit code, SIGKILL after `ms`.
 * `drain(take)`: from now on its stdout is no lines for `line`, but bytes for `take`, which may do nothing.
 * @typedef {{
 *   pid: number,
 *   line: (match: (line: any) => boolean, ms: number) => Promise<any>,
 *   ended: Promise<number>,
 *   drain: (take?: (chunk: Buffer) => void) => void,
 *   stop: (signal?: NodeJS.Signals, ms?: number) => Promise<number>,
 * }} Child
 */

/**
 * Starts `node ARGS`, as `startProgram` does.
 * @param {readonly string[]} args
 */
export const startNode = (args) => startProgram(process.execPath, args);

/**
 * Starts a program; it is killed when this process exits. What it writes to stderr is shown when it fails. With
 * `isStuck` its stdout is not read after the first line, so that its writes there hang once the pipe is full.
 * @param {string} path
 * @param {readonly string[]} args
 * @param {{ env?: Record<string, string>, isStuck?: boolean }} [options]
 * @returns {Child}
 */
export function startProgram(path, args, { env = {}, isStuck = false } = {}) {
  const child = spawn(path, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...clockEnv, ...env },
  });
  living.add(child);
  /** @type {any[]} */
  const lines = [];
  const waiting = new Set();
  const complaints = collectTail(child.stderr);
  const reader = createInterface({ input: child.stdout }).on('line', (text) => {
    if (isStuck) reader.pause();
    const line = parseLine(text);
    if (lines.length < 10_000) lines.push(line);
    for (const waiter of waiting) waiter.see(line);
  });
  const ended = new Promise((resolve) => {
    child.once('close', (code, signal) => {
      living.delete(child);
      const why = `${path} ${args[0]} ended with ${signal ?? code} ${complaints()}`;
      for (const waiter of waiting) waiter.fail(new Error(why));
      resolve(code ?? -1);
    });
  });
  return {
    pid: child.pid ?? 0,
    ended,
    drain: (take = () => {}) => {
      reader.close();
      child.stdout.on('data', take).resume();
    },
    line: (match, ms) =>
      waitForLine(lines, waiting, match, ms, () => `${args.join(' ')} said nothing expected ${complaints()}`),
    stop: async (signal = 'SIGTERM', ms = 10_000) => {
      child.kill(signal);
      const timer = setTimeout(() => child.kill('SIGKILL'), ms);
      const code = await ended;
      clearTimeout(timer);
      return code;
    },
  };
}

function waitForLine(lines, waiting, match, ms, complain) {
  const found = lines.find(match);
  if (found !== undefined) return Promise.resolve(found);
  return new Promise((resolve, reject) => {
    const done = (act) => (value) => {
      clearTimeout(timer);
      waiting.delete(waiter);
      act(value);
    };
    const waiter = { see: (line) => match(line) && done(resolve)(line), fail: done(reject) };
    const timer = setTimeout(() => waiter.fail(new Error(complain())), ms);
    waiting.add(waiter);
  });
}

function parseLine(/** @type {string} */ text) {
  try {
    return JSON.parse(text);
  } catch {
    return { text };
  }
}

/** The last 4,000 characters of a stream, on request. */
function collectTail(/** @type {import('node:stream').Readable} */ stream) {
  let tail = '';
  stream.setEncoding('utf8').on('data', (text) => {
    tail = (tail + text).slice(-4000);
  });
  return () => (tail === '' ? '' : `after saying:\n${tail}`);
}
