// The load: connections that send rendered NDJSON as fast as TCP takes it, or at a fixed rate. One process, which
// says in JSON lines on stdout what it did. The other benchmarks start it; it runs alone against any port, too.
import { once } from 'node:events';
import { connect } from 'node:net';
import { nowUs } from './rig/clock.js';
import { readOptions } from './rig/options.js';
import { createFeed, number, renderFinish, renderPool, renew } from './rig/pool.js';
import { createRandom, FIRST_SEQ, sourceNames } from './rig/records.js';

const options = readOptions({
  usage: 'generator.js',
  about:
    'Sends messages of 200-260 bytes to a TCP port of this machine. SIGTERM ends it early, in good order.',
  defaults: {
    tcp: '127.0.0.1:17000',
    messages: 0,
    seconds: 0,
    rate: 0,
    connections: 4,
    sources: 4,
    queues: 1,
    mode: 'throughput',
    criticalEvery: 1000,
    stamped: false,
    finish: false,
    seed: 1,
  },
  lines: {
    tcp: 'where to send',
    messages: 'how many to send in all; 0: until --seconds are over',
    seconds: 'how long to send; 0: until --messages are sent',
    rate: 'messages a second in all, spread evenly; 0: as fast as TCP takes them',
    connections: 'how many connections; they share the sources among them',
    sources: 'how many sources; up to four are those of the examples',
    queues: 'how many values a tag of the metrics has: each makes four series more of a source',
    mode: 'throughput: buffers are used again and again; checked: each message has its own number in data.n',
    criticalEvery: 'every n-th message is an event of level error; 0: none',
    stamped: 'with ts_us, the moment of sending; only in mode checked',
    finish: 'ends with one critical message a source, so that no batch is left to its age',
    seed: 'of the pseudo-random contents',
  },
});

const LINES_PER_CHUNK = 1000;
const CHUNKS = 16;
const isChecked = options.mode === 'checked';
let isStopped = false;
process.once('SIGTERM', () => {
  isStopped = true;
});

/** One connection with its sources, its feed and what it has sent. */
function createLane(index) {
  const [host = '127.0.0.1', port] = options.tcp.split(':');
  const names = sourceNames(options.sources);
  const own = names.filter((_, place) => place % options.connections === index);
  const sources = own.length > 0 ? own : [names[index % names.length] ?? ''];
  const random = createRandom(options.seed * 1000 + index);
  const { stamped, criticalEvery } = options;
  const pool = renderPool({
    count: CHUNKS,
    linesPerChunk: LINES_PER_CHUNK,
    sources,
    all: options.sources,
    queues: options.queues,
    random,
    stamped,
    criticalEvery,
  });
  const socket = connect({ host, port: Number(port), noDelay: true });
  const lane = {
    sources,
    socket,
    next: createFeed(pool, isChecked),
    finish: renderFinish(sources, random, stamped, options.sources),
    lines: 0,
    bytes: 0,
    troubles: /** @type {string[]} */ ([]),
    isEnding: false,
  };
  socket.on('error', (error) => lane.troubles.push(error.message));
  socket.on('end', () => lane.isEnding || lane.troubles.push('the other side ended the connection'));
  socket.resume();
  return lane;
}

function write(lane, { bytes, lines }, done) {
  lane.lines += lines;
  lane.bytes += bytes.length;
  return lane.socket.write(bytes, done);
}

const isOver = (lane) => isStopped || lane.troubles.length > 0;

/** As fast as TCP takes it: one chunk at a time, the next once the kernel has all of it. */
function flood(lane, quota, endsAtUs) {
  return new Promise((resolve) => {
    const step = () => {
      const us = nowUs();
      if (isOver(lane) || lane.lines >= quota || us >= endsAtUs) return resolve(undefined);
      write(lane, lane.next(quota - lane.lines, us), step);
    };
    lane.socket.once('close', () => resolve(undefined));
    step();
  });
}

/**
 * At a fixed rate: each millisecond what is due, shared among the connections; what the kernel does not take waits
 * in the process and counts as sent, so that a slow receiver shows in latencies instead of thinning the load.
 */
function drip(lanes, total, endsAtUs) {
  const startUs = nowUs();
  let sent = 0;
  let lateUs = 0;
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const us = nowUs();
      const due = Math.min(total, Math.floor(((us - startUs) * options.rate) / 1e6));
      lateUs = Math.max(lateUs, ((due - sent) * 1e6) / options.rate);
      for (const [index, lane] of lanes.entries()) {
        let share = Math.floor(due / lanes.length) + (index < due % lanes.length ? 1 : 0) - lane.lines;
        for (; share > 0 && !isOver(lane); share -= LINES_PER_CHUNK) write(lane, lane.next(share, us));
      }
      sent = due;
      if (due < total && us < endsAtUs && !lanes.every(isOver)) return;
      clearInterval(timer);
      resolve(lateUs);
    }, 1);
  });
}

/** Sends the last messages, ends in good order and waits until the other side has closed, too. */
async function finish(lane) {
  if (options.finish && !lane.socket.destroyed) {
    const us = nowUs();
    const { finish: chunk } = lane;
    renew(chunk, us);
    if (isChecked) number(chunk, 0, chunk.ends.length, FIRST_SEQ + lane.lines, us);
    write(lane, { bytes: chunk.buffer, lines: chunk.ends.length });
  }
  lane.isEnding = true;
  if (lane.socket.destroyed) return;
  const closed = once(lane.socket, 'close');
  lane.socket.end();
  await closed;
}

async function main() {
  if (options.messages === 0 && options.seconds === 0)
    throw new Error('say how much: --messages or --seconds');
  const lanes = Array.from({ length: options.connections }, (_, index) => createLane(index));
  await Promise.all(lanes.map(({ socket }) => once(socket, 'connect')));
  const total = options.messages || Number.POSITIVE_INFINITY;
  const cpu = process.cpuUsage();
  const startedUs = nowUs();
  const endsAtUs = options.seconds > 0 ? startedUs + options.seconds * 1e6 : Number.POSITIVE_INFINITY;
  console.log(JSON.stringify({ event: 'started', startedUs }));
  const quota = (index) => Math.floor(total / lanes.length) + (index < total % lanes.length ? 1 : 0);
  const lateUs = options.rate > 0 ? await drip(lanes, total, endsAtUs) : 0;
  if (options.rate === 0) await Promise.all(lanes.map((lane, index) => flood(lane, quota(index), endsAtUs)));
  await Promise.all(lanes.map(finish));
  const { user, system } = process.cpuUsage(cpu);
  report(lanes, { startedUs, endedUs: nowUs(), cpuSeconds: (user + system) / 1e6, lateUs });
}

function report(lanes, measured) {
  const add = (of) => lanes.reduce((sum, lane) => sum + of(lane), 0);
  const bySource = isChecked ? Object.fromEntries(lanes.map((lane) => [lane.sources[0], lane.lines])) : {};
  const troubles = lanes.flatMap((lane) => lane.troubles);
  const counts = {
    messages: add((lane) => lane.lines),
    bytes: add((lane) => lane.bytes),
    bySource,
    troubles,
  };
  console.log(JSON.stringify({ event: 'sent', ...measured, ...counts }));
}

await main();
