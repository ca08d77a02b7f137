// The web page in a real browser: how soon it shows what it is given, whether it scrolls, what it holds, what it
// takes from the ingest.
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { heapBytes, openTab, startBrowser } from './rig/browser.js';
import { pause } from './rig/clock.js';
import { send } from './rig/load.js';
import { grouped, median, megabytes, summary } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { cpuSeconds, machineLine } from './rig/proc.js';
import { createScratch, removeScratch } from './rig/scratch.js';
import { configPath, delivered, startSidecar } from './rig/sidecar.js';
import { isMain, printReport } from './rig/table.js';

const SPEC = {
  usage: 'ui.js',
  about: 'The web page in a browser: paint, scrolling, latency, memory, and what it costs the ingest.',
  defaults: { chromium: '/usr/bin/chromium', repeats: 5, minutes: 1, rounds: 3, messages: 1_000_000 },
  lines: {
    chromium: 'the browser',
    repeats: 'how often the trace is opened',
    minutes: 'how long the tail runs at 1,000 messages a second',
    rounds: 'how often throughput is measured with and without a page',
    messages: 'of each of these runs',
  },
};

const TRACE = 'be'.repeat(16);
const SPANS = 10_000;

function spanLine(/** @type {number} */ n, /** @type {number} */ nowMs) {
  const id = (/** @type {number} */ of) => of.toString(16).padStart(16, '0');
  const parent = n === 1 ? {} : { parent_span_id: id(Math.floor(n / 4) || 1) };
  const data = { phase: 'end', name: `step ${n}`, start_us: (nowMs - SPANS + n) * 1000, duration_us: 40_000 };
  const span = { source: `service-${n % 8}`, type: 'span', trace_id: TRACE, span_id: id(n) };
  return `${JSON.stringify({ ...span, data: { ...data, ...parent, status: 'success' } })}\n`;
}

async function connected(/** @type {string} */ tcp) {
  const [host, port] = tcp.split(':');
  const socket = connect(Number(port), host);
  await once(socket, 'connect');
  return socket;
}

/** Sends the trace at less than 10,000 a second: of more the sidecar keeps sums only. */
async function sendTrace(/** @type {string} */ tcp) {
  const socket = await connected(tcp);
  const nowMs = Date.now();
  const lines = Array.from({ length: SPANS }, (_, n) => spanLine(n + 1, nowMs));
  for (let at = 0; at < SPANS; at += 500) {
    socket.write(lines.slice(at, at + 500).join(''));
    await pause(100);
  }
  socket.end();
  await pause(500);
}

/** Data to paint and the mean frame while scrolling, ms. */
async function ofTrace(browser, sidecar, repeats) {
  const paints = [];
  let frameMs = Number.NaN;
  let rows = 0;
  for (let n = 0; n < repeats; n++) {
    const tab = await openTab(browser, { ...sidecar, isWatched: true }, `/traces/${TRACE}`);
    await tab.waitForFunction(() => globalThis.watched.rowsMs > 0);
    paints.push(await tab.evaluate(paintAfterData));
    rows = Number(await tab.getByRole('treegrid').getAttribute('aria-rowcount'));
    frameMs = await tab.evaluate(scrollFrames);
    await tab.close();
  }
  if (rows !== SPANS) throw new Error(`only ${rows} of ${SPANS} spans are rows`);
  return { paintMs: median(paints), frameMs };
}

/** In the page: from the last byte of the first answer about the trace to its rows on the screen. */
function paintAfterData() {
  const [answer] = performance
    .getEntriesByType('resource')
    .filter(({ name }) => name.includes('/api/v1/traces/'));
  return globalThis.watched.rowsMs - /** @type {PerformanceResourceTiming} */ (answer).responseEnd;
}

/** In the page: the mean of 120 frames, each 500 px further down. */
function scrollFrames() {
  const grid = document.querySelector('[role=treegrid]');
  return new Promise((resolve) => {
    let frames = 0;
    const startMs = performance.now();
    const next = () => {
      grid?.scrollBy(0, 500);
      if (frames++ === 120) resolve((performance.now() - startMs) / 120);
      else requestAnimationFrame(next);
    };
    requestAnimationFrame(next);
  });
}

const PER_TICK = 10;
const TICK_MS = 10;

/** A tail at 1,000 messages a second: latencies in ms, and the heap at the end. */
async function ofTail(browser, sidecar, tcp, minutes) {
  const tab = await openTab(browser, { ...sidecar, isWatched: true }, '/live');
  const socket = await connected(tcp);
  const endMs = Date.now() + minutes * 60_000;
  let sent = 0;
  const startMs = Date.now();
  while (Date.now() < endMs) {
    for (; sent < ((Date.now() - startMs) / TICK_MS) * PER_TICK; sent++) {
      const data = { level: 'info', message: `stamp ${Date.now()} ${sent}` };
      socket.write(`${JSON.stringify({ source: `s${sent % 4}`, type: 'event', data })}\n`);
    }
    await pause(TICK_MS);
  }
  socket.end();
  await pause(1_000);
  const { fromServer, fromTcp } = await tab.evaluate('watched');
  await tab.evaluate('watched.fromServer.length = watched.fromTcp.length = 0');
  const heap = await heapBytes(tab);
  await tab.close();
  return {
    server: summary(fromServer),
    tcp: summary(fromTcp),
    heap,
    perSecond: (sent * 1000) / (endMs - startMs),
  };
}

/** Messages a second, and CPU s per million, at full rate. */
async function fullRate(tcp, sidecar, pid, messages, before) {
  const cpu = cpuSeconds(pid);
  const startMs = Date.now();
  const sent = await send(tcp, { messages, finish: true });
  const done = await delivered(sidecar, before + sent.messages);
  const seconds = (Date.now() - startMs) / 1000;
  return { perSecond: sent.messages / seconds, cpu: ((cpuSeconds(pid) - cpu) * 1e6) / sent.messages, done };
}

/** Throughput with an open page ÷ without, medians of rounds in turn. */
async function ofThroughput(browser, { rounds, messages }) {
  const folder = createScratch(messages * (rounds * 2 + 1) * 400);
  const sidecar = await startSidecar({ config: configPath('throughput.yaml'), folder });
  let { done } = await fullRate(sidecar.tcp, sidecar, sidecar.pid, Math.ceil(messages / 2), 0);
  const ratios = [];
  const cpus = [];
  for (let round = 0; round < rounds; round++) {
    const runs = {};
    for (const how of round % 2 === 0 ? ['without', 'with'] : ['with', 'without']) {
      const tab =
        how === 'with' ? await openTab(browser, { http: sidecar.http, folder }, '/live') : undefined;
      await pause(1_000);
      runs[how] = await fullRate(sidecar.tcp, sidecar, sidecar.pid, messages, done);
      done = runs[how].done;
      await tab?.close();
    }
    ratios.push(runs.with.perSecond / runs.without.perSecond);
    cpus.push(runs.with.cpu / runs.without.cpu);
  }
  await sidecar.stop();
  removeScratch(folder);
  return { ratio: median(ratios), cpu: median(cpus) };
}

/** Bytes of script that the first route loads, compressed. */
function firstRouteBytes() {
  const folder = fileURLToPath(new URL('../dist/ui/assets', import.meta.url));
  const scripts = readdirSync(folder).filter((name) => /^index-.*\.js$/.test(name));
  return scripts.reduce((sum, name) => sum + gzipSync(readFileSync(join(folder, name))).length, 0);
}

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run(options, say) {
  const browser = await startBrowser(options.chromium);
  const folder = createScratch(options.minutes * 60_000 * 400 + 50e6);
  const sidecar = await startSidecar({ config: configPath('latency.yaml'), folder });
  const at = { http: sidecar.http, folder };
  await sendTrace(sidecar.tcp);
  const trace = await ofTrace(browser, at, options.repeats);
  say('  trace: done');
  const tail = await ofTail(browser, at, sidecar.tcp, options.minutes);
  say('  tail: done');
  await sidecar.stop();
  removeScratch(folder);
  const load = await ofThroughput(browser, options);
  await browser.close();
  return { rows: rowsOf(options, trace, tail, load) };
}

const ms = (/** @type {number} */ value) => `${value.toFixed(1)} ms`;

function rowsOf({ minutes }, { paintMs, frameMs }, { server, tcp, heap, perSecond }, { ratio, cpu }) {
  const first = firstRouteBytes();
  const at = `${grouped(perSecond)} messages/s, ${grouped(server.count)} drawn`;
  const row = (name, value, target, reached, note = '') => ({ name, value, target, reached, note });
  return [
    row('10,000 spans, data → paint', ms(paintMs), '≤ 300 ms', paintMs <= 300),
    row('10,000 spans, mean frame of scrolling', ms(frameMs), '≤ 20 ms', frameMs <= 20),
    row('server → paint p95', ms(server.p95), '≤ 150 ms', server.p95 <= 150, at),
    row('TCP → paint p95', ms(tcp.p95), '≤ 300 ms', tcp.p95 <= 300, `p50 ${ms(tcp.p50)}`),
    row(`heap after ${minutes} min of tail`, megabytes(heap, 1), '≤ 80 MB', heap <= 80e6),
    row('first route, script, gz', `${(first / 1024).toFixed(1)} KiB`, '≤ 35 KiB', first <= 35 * 1024),
    row(
      'throughput with a page, of without',
      ratio.toFixed(2),
      '≥ 0.95',
      ratio >= 0.95,
      `CPU of the sidecar a message: ${cpu.toFixed(2)} ×`,
    ),
  ];
}

if (isMain(import.meta.url)) {
  const options = readOptions(SPEC);
  console.log(machineLine());
  const { rows } = await run(options, console.log);
  printReport('The web page', rows);
  process.exit(0);
}
