// The physical reference: what a bare Node process does with the same bytes. It splits lines, parses each with
// JSON.parse, and writes it to one of two files by its source, in large writes; nothing else. It gives no guarantees:
// no validation, ids, correlation, batching by source, retries, counts or reload.
import { open } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { readOptions } from './rig/options.js';

const options = readOptions({
  usage: 'bare-loop.js',
  about: 'Listens on 127.0.0.1; reads NDJSON and writes it to OUT/a.jsonl and OUT/b.jsonl. SIGTERM ends it.',
  defaults: { out: '.', port: 0, variant: 'original' },
  lines: {
    out: 'folder of the two files',
    port: 'TCP port; 0: any free one',
    variant: 'original: writes the text as it came; stringify: writes JSON.stringify of what it parsed',
  },
});

const WRITE_AT_BYTES = 1 << 20;
const MAX_WAITING = 4;
const isOriginal = options.variant === 'original';
const cpuAtStart = process.cpuUsage();
let messages = 0;
let connections = 0;

/** A file that is appended to in writes of about 1 MiB, one after the other. */
async function openOutput(name) {
  const file = await open(join(options.out, name), 'a');
  const lines = /** @type {string[]} */ ([]);
  const parts = /** @type {Buffer[]} */ ([]);
  const output = { lines, parts, bytes: 0, waiting: 0, last: Promise.resolve() };
  const flush = () => {
    const full = output.parts;
    output.parts = [];
    output.bytes = 0;
    output.waiting += 1;
    output.last = output.last.then(async () => {
      await file.writev(full);
      output.waiting -= 1;
    });
  };
  const encode = () => {
    const part = Buffer.from(output.lines.join(''));
    output.lines.length = 0;
    output.parts.push(part);
    output.bytes += part.length;
    if (output.bytes >= WRITE_AT_BYTES) flush();
  };
  return Object.assign(output, { encode, flush });
}

const first = await openOutput('a.jsonl');
const second = await openOutput('b.jsonl');
const outputOf = {
  'config-service': first,
  'file-receiver': first,
  'queue-service': second,
  'db-loader': second,
};

function take(line) {
  const record = JSON.parse(line);
  const { lines } = outputOf[record.source] ?? second;
  lines.push(isOriginal ? line : `${JSON.stringify(record)}\n`);
  messages += 1;
}

/** Takes the complete lines of `text`, whose first one began with `rest`; returns the beginning of the next. */
function split(rest, text) {
  let to = text.indexOf('\n') + 1;
  if (to === 0) return rest + text;
  take(rest + text.slice(0, to));
  let from = to;
  for (to = text.indexOf('\n', from) + 1; to > 0; to = text.indexOf('\n', from) + 1) {
    take(text.slice(from, to));
    from = to;
  }
  for (const output of [first, second]) if (output.lines.length > 0) output.encode();
  return text.slice(from);
}

async function slowDown(socket) {
  socket.pause();
  await Promise.all([first.last, second.last]);
  socket.resume();
}

function serve(socket) {
  let rest = '';
  connections += 1;
  socket.setEncoding('utf8').on('data', (text) => {
    rest = split(rest, text);
    if (first.waiting + second.waiting > MAX_WAITING) slowDown(socket).catch(fail);
  });
  socket.on('error', fail);
  socket.on('close', () => {
    connections -= 1;
    if (connections === 0) drain().catch(fail);
  });
}

/** Nobody is connected: writes out what is left and says how it stands. */
async function drain() {
  first.flush();
  second.flush();
  await Promise.all([first.last, second.last]);
  report('drained');
}

function report(event) {
  const { user, system } = process.cpuUsage(cpuAtStart);
  const cpuSeconds = (user + system) / 1e6;
  const peakRssBytes = process.resourceUsage().maxRSS * 1024;
  const cpuSecondsPerMillion = messages > 0 ? (cpuSeconds / messages) * 1e6 : 0;
  console.log(JSON.stringify({ event, messages, cpuSeconds, cpuSecondsPerMillion, peakRssBytes }));
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

const server = createServer(serve);
server.listen(options.port, '127.0.0.1', () => {
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  console.log(JSON.stringify({ event: 'listening', tcp: `127.0.0.1:${port}` }));
});
process.once('SIGTERM', () => {
  report('ended');
  process.exit(0);
});
