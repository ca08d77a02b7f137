// Events of many sizes into S3: how far objects are from their wanted size, and how fast they come.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { median } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { createScratch, removeScratch } from './rig/scratch.js';
import { configPath, startSidecar } from './rig/sidecar.js';
import { isMain, printReport } from './rig/table.js';

const SPEC = {
  usage: 's3.js',
  about: 'Sends events of 1, 10 and 100 kB as fast as they are taken to a store in this process.',
  defaults: { megabytes: 100 },
  lines: { megabytes: 'JSON that is sent of each size' },
};

/** The default of `target_size`. */
const TARGET = 4 * 2 ** 20;
const SIZES = [1000, 10_000, 100_000];
const WORDS =
  'connection timeout worker queue job retry database row commit cache user session token status'.split(' ');

const below = (/** @type {number} */ bound) => Math.floor(Math.random() * bound);
const word = () => WORDS[below(WORDS.length)];

/** An event of about so many bytes as services write them: words, numbers and ids, some of them new each time. */
function eventLine(/** @type {number} */ bytes) {
  const lines = [];
  for (let size = 250; size < bytes; size += 110) {
    const text = `${word()} ${word()} ${word()} in ${below(5000)} ms`;
    lines.push({
      text,
      span: below(2 ** 48).toString(16),
      ok: below(10) > 0,
      worker: `${word()}-${below(100)}`,
    });
  }
  const timestamp = new Date().toISOString();
  return `${JSON.stringify({ source: 'web', timestamp, type: 'event', data: { message: 'report', lines } })}\n`;
}

/** A store that takes everything and remembers how much it was. */
async function startStore() {
  /** @type {number[]} */
  const sizes = [];
  const server = createServer((request, response) => {
    let bytes = 0;
    request.on('data', (chunk) => {
      bytes += chunk.length;
    });
    request.on('end', () => {
      sizes.push(bytes);
      response.writeHead(200, { etag: '"e"' }).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const close = () => {
    server.closeAllConnections();
    server.close();
  };
  return { endpoint: `http://127.0.0.1:${port}`, sizes, close };
}

/** Sends events of one size; the sizes of the objects, and megabytes of JSON a second. */
async function measure(/** @type {number} */ eventBytes, /** @type {number} */ megabytes) {
  const folder = createScratch(10_000_000);
  const store = await startStore();
  const config = configPath('s3.yaml');
  const sidecar = await startSidecar({ config, folder, env: { BENCH_STORE: store.endpoint } });
  const [host, port] = sidecar.tcp.split(':');
  const socket = connect(Number(port), host);
  await once(socket, 'connect');
  // Rendered before: the clock is for the sidecar.
  const rendered = Array.from({ length: Math.ceil((megabytes * 1e6) / eventBytes) }, () =>
    eventLine(eventBytes),
  );
  const startedMs = performance.now();
  for (const line of rendered) if (!socket.write(line)) await once(socket, 'drain');
  socket.end();
  await sidecar.stop();
  const seconds = (performance.now() - startedMs) / 1000;
  store.close();
  removeScratch(folder);
  return { sizes: store.sizes, perSecond: socket.bytesWritten / 1e6 / seconds };
}

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run({ megabytes }, say) {
  const rows = [];
  for (const bytes of SIZES) {
    const { sizes, perSecond } = await measure(bytes, megabytes);
    // The last one is what was left at the end.
    const full = sizes.slice(0, -1);
    const worst = Math.max(...full.map((size) => Math.abs(size / TARGET - 1))) * 100;
    say(`${bytes} bytes: ${full.map((size) => `${(size / 2 ** 20).toFixed(2)} MiB`).join(', ')}`);
    const note = `median ${(median(full) / 2 ** 20).toFixed(2)} MiB of ${full.length}; ${perSecond.toFixed(0)} MB/s of JSON`;
    const name = `objects of events of ${bytes / 1000} kB are off by at most`;
    rows.push({ name, value: `${worst.toFixed(1)} %`, target: '≤ 10 %', reached: worst <= 10, note });
  }
  return { rows };
}

if (isMain(import.meta.url)) {
  const options = readOptions(SPEC);
  console.log(machineLine());
  const { rows } = await run(options, console.log);
  printReport('S3', rows);
  process.exit(0);
}
