// Calls the TypeScript SDK as it is told: a command a line on stdin, an answer a line on stdout; see ../README.md.
import { spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';
import { init as initClient } from '../../typescript/dist/esm/index.js';
import { destination } from '../../typescript/dist/esm/pino.js';

const CONTEXT = { a: 1, b: 'two', c: 0.5 };
let m = initClient({ disabled: true });

const throwing = () => ({
  toString() {
    throw new Error('no text');
  },
  get field() {
    throw new Error('no field');
  },
});
const logging = () => ({
  get field() {
    m.logEvent('info', 'inner');
    return 'logged';
  },
});

function cyclic() {
  const cycle = {};
  cycle.self = cycle;
  return cycle;
}

// Byte by byte: its heap is small, and a regular expression makes a list of all its matches.
function textOf(token) {
  const bytes = Buffer.alloc(token.length);
  let end = 0;
  for (let at = 0; at < token.length; at++) {
    const isEscape = token[at] === '%';
    bytes[end++] = isEscape ? Number.parseInt(token.slice(at + 1, at + 3), 16) : token.charCodeAt(at);
    if (isEscape) at += 2;
  }
  return bytes.toString('utf8', 0, end);
}

const MAKE = {
  n: () => null,
  t: () => true,
  f: () => false,
  c: cyclic,
  '!': throwing,
  '@': logging,
  e: () => ({ toString: () => '' }),
  '*': () => [1, 2, 3, 4].reduce((inner) => Array(100).fill(inner), 1),
  '?': () => Symbol('odd'),
  u: () => 'a\ud800b',
  i: (text) => (Number.isSafeInteger(Number(text)) ? Number(text) : BigInt(text)),
  d: (text) => Number({ inf: 'Infinity', '-inf': '-Infinity' }[text] ?? text),
  s: textOf,
  x: (text) => Buffer.from(text, 'hex'),
  T: (text) => new Date(Number(text) * 1000),
};

function value(tokens) {
  const [kind, rest] = [tokens[0][0], tokens.shift().slice(1)];
  if (kind !== '{' && kind !== '[') return MAKE[kind](rest);
  const items = [];
  while (!'}]'.includes(tokens[0][0])) items.push(value(tokens));
  tokens.shift();
  if (kind === '[') return items;
  return Object.fromEntries(items.flatMap((key, at) => (at % 2 === 0 ? [[key, items[at + 1]]] : [])));
}

function beforeSend(record) {
  const { message } = record.data;
  if (message === 'secret') return undefined;
  if (message === 'fault') throw new Error('before_send');
  record.data.message = 'edited';
  return record;
}

const OPTIONS = {
  host: 'tcpHost',
  port: 'tcpPort',
  buffer_bytes: 'bufferBytes',
  job_id: 'jobId',
  before_send: 'beforeSend',
  sample_s: 'sampleS',
};

function init(options = {}) {
  const named = Object.fromEntries(
    Object.entries(options ?? {}).map(([key, one]) => [OPTIONS[key] ?? key, one]),
  );
  if (named.beforeSend) named.beforeSend = beforeSend;
  m = initClient(named);
  return { same: Number(m === initClient(named)) };
}

async function scoped(name, how) {
  try {
    m.withSpan(name, () => {
      if (how === 'throw') throw new Error('it broke');
    });
  } catch (error) {
    return { rethrown: error.message };
  }
  return {};
}

function burst(count, level = 'info') {
  const times = new Float64Array(count);
  for (let at = 0; at < count; at++) {
    const start = performance.now();
    m.logEvent(level, 'burst', CONTEXT);
    times[at] = 1000 * (performance.now() - start);
  }
  times.sort();
  return { p50: times[count >> 1], p999: times[Math.floor(count * 0.999)], max: times[count - 1] };
}

function die(message, how) {
  m.logEvent('info', message);
  if (how === 'kill') process.kill(process.pid, 'SIGKILL');
  if (how === 'exit') process.exit(0);
  setImmediate(() => {
    throw new Error('uncaught');
  });
}

async function siblings() {
  const task = (name) =>
    m.withSpan(name, async () => {
      for (let nth = 0; nth < 3; nth++) {
        await pause(10);
        m.logEvent('info', name);
      }
    });
  await Promise.all([task('a'), task('b')]);
  return {};
}

function state() {
  const listeners = process.eventNames().map((name) => [String(name), process.listenerCount(name)]);
  return { state: JSON.stringify([process.cwd(), process.env, process.umask(), listeners]) };
}

function mutated(given) {
  const before = JSON.stringify(given);
  m.logEvent('info', 'mutated', given);
  m.setContext('kept', given);
  const same = before === JSON.stringify(given);
  given.later = 1;
  m.logEvent('info', 'after');
  return { same: Number(same) };
}

async function bridge(message) {
  const { pino } = await import('pino');
  pino({}, destination(m)).warn(message);
  return {};
}

function stats() {
  const { dropped, queuedBytes, unknownSpans, connected, ...others } = m.stats();
  return {
    ...others,
    ...dropped,
    queued_bytes: queuedBytes,
    unknown_spans: unknownSpans,
    connected: Number(connected),
  };
}

function childEnv() {
  return Object.fromEntries(
    Object.entries(m.childEnv()).filter(([key]) => /^(MONITORING|TRACEPARENT)/.test(key)),
  );
}

const kept = (result) => ({ kept: Number(Boolean(result)) });
const OPERATIONS = {
  init,
  scoped,
  burst,
  die,
  siblings,
  state,
  mutated,
  bridge,
  stats,
  ready: async () => ({ up: Number(await m.ready(5000)) }),
  event: (...given) => kept(m.logEvent(...given)),
  metric: (...given) => kept(m.logMetric(...given)),
  progress: (job, percent, status, more) => kept(m.logProgress(job, percent, status, more ?? undefined)),
  resource: (given) => kept(m.logResource(given)),
  set_context: (key, given) => kept(m.setContext(key, given)),
  start: (name, parent, traceparent) => ({
    id: m.startSpan(name, { parent: parent ?? undefined, traceparent: traceparent ?? undefined }),
  }),
  end: (id, status, message, attributes) => kept(m.endSpan(id, status, message, attributes)),
  continue_trace: (given) => kept(m.continueTrace(given)),
  traceparent: () => ({ value: m.traceparent() ?? '' }),
  child_env: childEnv,
  run_child: (program, ...args) => ({
    status: spawnSync(program, args, { env: m.childEnv(), stdio: 'ignore' }).status,
  }),
  flush: async (seconds) => ({ done: Number(await m.flush(seconds * 1000)) }),
  close: async () => ({ done: Number(await m.close()) }),
  sample: () => (m.sampleResources ? kept(m.sampleResources()) : {}),
  seed: () => ({}),
  random: () => ({}),
  sleep: (seconds) => pause(seconds * 1000).then(() => ({})),
};

// One flow for all commands: a span that one opens is open in the next.
for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...tokens] = line.split(' ');
  const given = [];
  while (tokens.length > 0) given.push(value(tokens));
  const start = performance.now();
  const found = await OPERATIONS[name](...given);
  const parts = Object.entries({ ...found, ms: performance.now() - start });
  process.stdout.write(
    `${['ok', ...parts.map(([key, one]) => `${key}=${encodeURIComponent(one)}`)].join(' ')}\n`,
  );
}
