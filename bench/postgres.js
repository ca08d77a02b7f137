// What the postgres backend writes a second, beside plain COPY and beside one insert a message, in one run.
import { once } from 'node:events';
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import pg from 'pg';
import copy from 'pg-copy-streams';
import { asyncScheduler } from 'rxjs';
import { grouped, median } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { renderBatches } from './rig/rows.js';
import { createScratch } from './rig/scratch.js';
import { isMain, printReport } from './rig/table.js';

const SPEC = {
  usage: 'postgres.js',
  about: 'Rows a second into a server of its own: the lane and sink of the product, COPY, single inserts.',
  defaults: { rounds: 3, messages: 100_000, singles: 500 },
  lines: {
    rounds: 'how often each way takes its turn; ratios are of the same round, and their median is shown',
    messages: 'rows of the sink and of COPY in a round',
    singles: 'rows that are inserted one by one in a round',
  },
};

setFlagsFromString('--expose-gc');
/** Collects what rendering left behind, which is none of what is measured. */
const collectGarbage = runInNewContext('gc');

const TABLE = 'monitoring_events';
/** Of COPY, the least share that the sink must reach; of single inserts, how many times as fast it must be. */
const OF_COPY = 0.8;
const OF_SINGLES = 10;
const MAX_ROW_BYTES = 2000;
const COPY_CHUNK_ROWS = 5000;

const load = (path) => import(new URL(`../dist/${path}`, import.meta.url).href);
const ignore = () => {};
const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run({ rounds, messages, singles }, say) {
  const { startEmbedded } = await load('sinks/postgres/embedded.js');
  const folder = createScratch(rounds * messages * MAX_ROW_BYTES, { onDisk: true });
  const server = await startEmbedded(join(folder, 'postgres', 'bench'), log);
  const client = new pg.Client({ connectionString: server.connectionString });
  await client.connect();
  try {
    const context = { client, folder, connectionString: server.connectionString };
    const found = [];
    await bySink(context, await renderBatches(20_000));
    for (let round = 0; round < rounds; round++) {
      const rates = {};
      const ways = [
        ['copy', byCopy, messages],
        ['sink', bySink, messages],
        ['singles', bySingles, singles],
      ];
      for (const [name, way, count] of round % 2 === 0 ? ways : ways.toReversed()) {
        rates[name] = await measure(way, context, count);
      }
      found.push(rates);
      const shown = Object.entries(rates).map(([name, rate]) => `${name} ${grouped(rate)}/s`);
      say(`  round ${round + 1}: ${shown.join(', ')}`);
    }
    return { rows: rowsOf(found) };
  } finally {
    await client.end();
    await server.stop();
  }
}

/** Rows a second of a way to write `count` messages into the empty table. */
async function measure(way, context, count) {
  const { client } = context;
  const batches = await renderBatches(count);
  await client.query(`TRUNCATE ${TABLE}`);
  await client.query('CHECKPOINT');
  collectGarbage();
  const seconds = await way(context, batches);
  const [{ rows }] = [await client.query(`SELECT count(*)::int AS rows FROM ${TABLE}`)];
  const expected = batches.length * 100;
  if (rows[0].rows !== expected) throw new Error(`${rows[0].rows} rows of ${expected} messages`);
  return expected / seconds;
}

/** The product's own lane and sink, batches offered as fast as it takes them. */
async function bySink({ connectionString, folder }, batches) {
  const [{ default: postgres }, { openLane }] = await Promise.all(
    ['sinks/postgres.js', 'deliver/lane.js'].map(load),
  );
  const settings = postgres.options.parse({ connection_string: connectionString });
  const context = {
    scheduler: asyncScheduler,
    random: Math.random,
    log,
    deadLetters: { write: () => false },
  };
  const sink = postgres.open(settings, { ...context, backend: 'bench', dataDir: folder });
  const lane = openLane('bench', sink, LANE, context);
  const address = sink.address({});
  const total = batches.length * 100;
  let delivered = 0;
  const startedMs = performance.now();
  const done = new Promise((resolve, reject) => {
    lane.outcome$.subscribe(({ ending, messages }) => {
      if (ending !== 'delivered') reject(new Error(`${messages.length} messages: ${ending}`));
      delivered += messages.length;
      if (delivered === total) resolve(performance.now());
    });
  });
  for (const batch of batches) {
    const target = address.target(batch.messages[0]);
    lane.offer({ kind: 'delivery', backend: 'bench', batch, target, priority: 0, whenFull: 'block' });
  }
  const endedMs = await done;
  await new Promise((resolve) => lane.close(1000).subscribe({ complete: () => resolve(undefined) }));
  return (endedMs - startedMs) / 1000;
}

/** As the sidecar runs it by default. */
const LANE = {
  queueMaxBytes: 2 ** 30,
  concurrency: 4,
  sendTimeoutMs: 30_000,
  retry: { initialMs: 100, maxMs: 30_000, maxAttempts: 1 },
  breaker: { failures: 5, resetAfterMs: 10_000 },
};

/** COPY of text that was rendered before the clock starts, on one connection: what the server can take at most. */
async function byCopy({ client }, batches) {
  const { COLUMNS, rows } = await rowsOfBatches(batches);
  const lines = rows.map((row) => `${row.map(copyText).join('\t')}\n`);
  const chunks = [];
  for (let at = 0; at < lines.length; at += COPY_CHUNK_ROWS) {
    chunks.push(Buffer.from(lines.slice(at, at + COPY_CHUNK_ROWS).join('')));
  }
  const startedMs = performance.now();
  const stream = client.query(copy.from(`COPY ${TABLE} (${COLUMNS.join(', ')}) FROM STDIN`));
  for (const chunk of chunks) if (!stream.write(chunk)) await once(stream, 'drain');
  stream.end();
  await once(stream, 'finish');
  return (performance.now() - startedMs) / 1000;
}

/** One INSERT a message, each its own transaction, as a program without batches does. */
async function bySingles({ client }, batches) {
  const { COLUMNS, rows } = await rowsOfBatches(batches);
  const places = COLUMNS.map((_, index) => `$${index + 1}`).join(', ');
  const text = `INSERT INTO ${TABLE} (${COLUMNS.join(', ')}) VALUES (${places})`;
  const startedMs = performance.now();
  for (const values of rows) await client.query({ name: 'single', text, values });
  return (performance.now() - startedMs) / 1000;
}

/** The rows that the sink would write, as texts. */
async function rowsOfBatches(batches) {
  const { rowOf } = await load('sinks/postgres/row.js');
  const iso = (ms) => new Date(ms).toISOString();
  const fields = {
    time: ({ timeMs }) => iso(timeMs),
    id: ({ id }) => id,
    source: ({ source }) => source,
    type: ({ type }) => type,
    level: ({ level }) => level,
    name: ({ name }) => name,
    value: ({ value }) => value,
    job_id: ({ jobId }) => jobId,
    trace_id: ({ traceId }) => traceId,
    span_id: ({ spanId }) => spanId,
    session: ({ session }) => session,
    seq: ({ seq }) => seq,
    host: ({ host }) => host,
    received_at: ({ receivedMs }) => iso(receivedMs),
    data: ({ data }) => data,
    extra: ({ extra }) => extra,
  };
  const read = Object.values(fields);
  const rows = batches
    .flatMap(({ messages }) => messages.map(rowOf))
    .map((row) => read.map((one) => one(row)));
  return { COLUMNS: Object.keys(fields), rows };
}

const ESCAPES = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };
const copyText = (value) =>
  value === null ? '\\N' : String(value).replace(/[\\\n\r\t]/g, (char) => ESCAPES[char]);

function rowsOf(found) {
  const rate = (name) => median(found.map((rates) => rates[name]));
  const ratio = (name) => median(found.map((rates) => rates.sink / rates[name]));
  const [ofCopy, ofSingles] = [ratio('copy'), ratio('singles')];
  return [
    { name: 'rows/s, sink', value: grouped(rate('sink')) },
    { name: 'rows/s, COPY without conflict handling', value: grouped(rate('copy')) },
    { name: 'rows/s, one insert a message', value: grouped(rate('singles')) },
    {
      name: 'sink, of COPY',
      value: ofCopy.toFixed(2),
      target: `≥ ${OF_COPY}`,
      reached: ofCopy >= OF_COPY,
    },
    {
      name: 'sink, of single inserts',
      value: `${ofSingles.toFixed(1)} ×`,
      target: `≥ ${OF_SINGLES} ×`,
      reached: ofSingles >= OF_SINGLES,
    },
  ];
}

if (isMain(import.meta.url)) {
  const options = readOptions(SPEC);
  console.log(machineLine());
  const { rows } = await run(options, console.log);
  printReport('PostgreSQL', rows);
  process.exit(0);
}
