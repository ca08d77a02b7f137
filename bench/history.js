// How long the API takes to answer of jobs that only PostgreSQL knows any more.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { grouped, percentile } from './rig/numbers.js';
import { readOptions } from './rig/options.js';
import { machineLine } from './rig/proc.js';
import { createScratch } from './rig/scratch.js';
import { startSidecar } from './rig/sidecar.js';
import { isMain, printReport } from './rig/table.js';

const SPEC = {
  usage: 'history.js',
  about:
    'Asks for jobs, traces and pages of jobs that are in PostgreSQL and not in memory, one after the other.',
  defaults: { jobs: 100_000, messages: 6, asked: 200 },
  lines: {
    jobs: 'jobs in the table, each with a trace of its own',
    messages: 'rows of each job',
    asked: 'requests of each kind',
  },
};

const TARGET_MS = 100;
const ROW_BYTES = 1000;
const load = (path) => import(new URL(`../dist/${path}`, import.meta.url).href);
const ignore = () => {};
const log = { debug: ignore, info: ignore, warn: ignore, error: ignore };

/** Jobs that began every 100 ms, each with messages a second apart, so that those of tens of jobs are mixed. */
const FILL = `
  INSERT INTO monitoring_events (time, id, source, type, level, job_id, trace_id, received_at, data)
  SELECT at, gen_random_uuid(), 'service-' || n % 4, 'event', 'info', 'job-' || job, md5(job::text), at,
    jsonb_build_object('level', 'info', 'message', 'step ' || n, 'context', jsonb_build_object('rows', n * 1000))
  FROM generate_series(1, $1::int) AS job, generate_series(1, $2::int) AS n,
    LATERAL (SELECT now() - make_interval(secs => ($1::int - job) * 0.1 + $2::int - n + 60)) AS times (at)`;

/**
 * @param {typeof SPEC.defaults} options
 * @param {(text: string) => void} say
 */
export async function run({ jobs, messages, asked }, say) {
  const { startEmbedded } = await load('sinks/postgres/embedded.js');
  const folder = createScratch(jobs * messages * ROW_BYTES, { onDisk: true });
  const server = await startEmbedded(join(folder, 'postgres', 'bench'), log);
  try {
    await fill(server.connectionString, jobs, messages);
    say(`  ${grouped(jobs * messages)} rows of ${grouped(jobs)} jobs are there`);
    const config = join(folder, 'sidecar.yaml');
    writeFileSync(config, configOf(server.connectionString));
    const sidecar = await startSidecar({ config, folder });
    try {
      return { rows: await ask(sidecar.http, { jobs, messages, asked }, say) };
    } finally {
      await sidecar.stop();
    }
  } finally {
    await server.stop();
  }
}

const configOf = (connectionString) => `
http: { auth: none }
correlation: { warm_start: { enabled: false } }
routing: { default: [{ backend: db }] }
backends:
  db: { type: postgres, connection_string: '${connectionString}' }
`;

/** Makes the table as the sidecar does, fills it, and brings its statistics up to date as autovacuum would. */
async function fill(connectionString, jobs, messages) {
  const [{ prepareTable }, { parseTable }] = await Promise.all(
    ['sinks/postgres/schema.js', 'sinks/postgres/table.js'].map(load),
  );
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    const session = { query: async (text, values) => (await client.query(text, values)).rows };
    const options = { create: true, timescale: { metrics_view: false } };
    await prepareTable(session, parseTable('monitoring_events'), options, log);
    await client.query(FILL, [jobs, messages]);
    await client.query('VACUUM ANALYZE monitoring_events');
  } finally {
    await client.end();
  }
}

async function ask(http, { jobs, messages, asked }, say) {
  const { createHash } = await import('node:crypto');
  // Spread over the whole table by a step that has no factor in common with their number.
  const jobOf = (turn) => 1 + ((turn * 7919) % jobs);
  const traceOf = (job) => createHash('md5').update(String(job)).digest('hex');
  let cursor = '';
  const kinds = {
    'a job': (turn) => `jobs/job-${jobOf(turn)}`,
    'a trace': (turn) => `traces/${traceOf(jobOf(turn))}`,
    'a page of 50 jobs': () => `jobs?limit=50${cursor}`,
  };
  const rows = [];
  for (const [name, pathOf] of Object.entries(kinds)) {
    const times = [];
    for (let turn = 0; turn < asked; turn++) {
      const startedMs = performance.now();
      const response = await fetch(`http://${http}/api/v1/${pathOf(turn)}`);
      const body = await response.json();
      times.push(performance.now() - startedMs);
      const isWhole = body.jobs === undefined ? body.messages === messages : body.jobs.length > 0;
      if (body.from !== 'postgres' || !isWhole)
        throw new Error(`${name}: ${JSON.stringify(body).slice(0, 300)}`);
      cursor = body.next === undefined ? '' : `&cursor=${encodeURIComponent(body.next)}`;
    }
    times.sort((a, b) => a - b);
    const [p50, p95] = [percentile(times, 0.5), percentile(times, 0.95)];
    say(`  ${name}: p50 ${p50.toFixed(1)} ms, p95 ${p95.toFixed(1)} ms, max ${times.at(-1).toFixed(1)} ms`);
    rows.push({
      name: `${name}, p95`,
      value: `${p95.toFixed(1)} ms`,
      target: `≤ ${TARGET_MS} ms`,
      reached: p95 <= TARGET_MS,
      note: `p50 ${p50.toFixed(1)} ms`,
    });
  }
  return rows;
}

if (isMain(import.meta.url)) {
  const options = readOptions(SPEC);
  console.log(machineLine());
  const { rows } = await run(options, console.log);
  printReport('History', rows);
  process.exit(0);
}
