import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { answerFaults } from '../http/openapi.ts';
import { type Server, startServer } from '../postgres-server.ts';
import {
  closeAll,
  createFolder,
  linesBelow,
  type RunningSidecar,
  runToEnd,
  send,
  startSidecar,
  TEST_MS,
  until,
} from '../processes.ts';

jest.setTimeout(TEST_MS);

let server: Server;
beforeAll(async () => {
  server = await startServer();
});
afterEach(closeAll);
afterAll(() => server.remove());

const yamlOf = (database: string, more = '') => `
batch: { max_age: 20ms }
data_dir: data
routing: { default: [{ backend: db }] }
backends:
  db: { type: postgres, connection_string: '${server.url(database)}' }
${more}`;

const COLD = 'correlation: { warm_start: { enabled: false } }';
const TRACE = '0af7651916cd43dd8448eb211c80319c';

const startMs = Date.now() - 60_000;
/** The n-th event of a job, a second after the one before. */
const event = (job: string, n: number, more: object = {}) =>
  `${JSON.stringify({
    source: 'queue',
    timestamp: new Date(startMs + n * 1000).toISOString(),
    type: 'event',
    job_id: job,
    data: { level: 'info', message: `step ${n}` },
    ...more,
  })}\n`;

const rowsIn = (database: string, count: number) =>
  until(async () => {
    const [row] = await server
      .query('SELECT count(*)::int AS rows FROM monitoring_events', [], database)
      .catch(() => [{ rows: 0 }]);
    return row.rows === count;
  }, `${count} rows are in the table`);

const textsOf = ({ timeline }: { timeline: { text: string }[] }) => timeline.map(({ text }) => text);

/** What `sidecar job` prints. */
const printed = (sidecar: RunningSidecar, id: string) =>
  runToEnd(['job', id, '--url', `http://${sidecar.listening.http}`], { cwd: sidecar.folder });

test('a job and its trace that memory has forgotten are answered from the table', async () => {
  const database = await server.createDatabase();
  const sidecar = await startSidecar({
    yaml: yamlOf(database, 'correlation: { max_traces: 2, warm_start: { enabled: false } }'),
  });
  await send(sidecar.port, event('old', 0, { trace_id: TRACE }), event('old', 1, { trace_id: TRACE }));
  await rowsIn(database, 2);
  const before = await sidecar.get('/api/v1/jobs/old');
  expect(before.from).toBe('memory');
  for (let n = 0; n < 6; n++) await send(sidecar.port, event(`other-${n}`, 10 + n, { trace_id: `t${n}` }));
  await rowsIn(database, 8);

  const after = await sidecar.get('/api/v1/jobs/old');
  expect(after).toEqual({ ...before, from: 'postgres' });
  expect(answerFaults('/api/v1/jobs/{id}', 'get', 200, after)).toEqual([]);
  const trace = await sidecar.get(`/api/v1/traces/${TRACE}`);
  expect([trace.from, trace.job_ids, textsOf(trace)]).toEqual(['postgres', ['old'], ['step 0', 'step 1']]);
  expect(answerFaults('/api/v1/traces/{id}', 'get', 200, trace)).toEqual([]);
  const { code, stdout } = await printed(sidecar, 'old');
  expect([code, stdout]).toEqual([0, expect.stringContaining('step 0, step 1')]);
  expect(stdout).toContain('From the database.');
});

test('pages of jobs go on from memory into the table, each job once', async () => {
  const database = await server.createDatabase();
  const yaml = yamlOf(database, 'correlation: { max_traces: 3, warm_start: { enabled: false } }');
  const sidecar = await startSidecar({ yaml });
  for (let n = 0; n < 10; n++) await send(sidecar.port, event(`job-${n}`, n), event(`job-${n}`, n + 1));
  await rowsIn(database, 20);
  const ids: string[] = [];
  const origins = new Set<string>();
  let cursor = '';
  do {
    const page = await sidecar.get(
      `/api/v1/jobs?limit=2${cursor && `&cursor=${encodeURIComponent(cursor)}`}`,
    );
    expect(answerFaults('/api/v1/jobs', 'get', 200, page)).toEqual([]);
    ids.push(...page.jobs.map(({ job_id }: { job_id: string }) => job_id));
    origins.add(page.from);
    cursor = page.next ?? '';
  } while (cursor !== '');
  expect(ids).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0].map((n) => `job-${n}`));
  expect([...origins]).toEqual(['memory', 'postgres']);
});

test('an id that no database can have spoils no answer', async () => {
  const database = await server.createDatabase();
  const sidecar = await startSidecar({ yaml: yamlOf(database) });
  await send(sidecar.port, event('a\0b', 0));
  await rowsIn(database, 1);
  const page = await sidecar.get('/api/v1/jobs');
  expect([page.jobs.length, page.note]).toEqual([1, undefined]);
  const { hint } = await sidecar.get('/api/v1/jobs/no%00job');
  expect(hint).not.toContain('does not answer');
  expect(sidecar.stderr()).not.toContain('History cannot be read');
});

test('a page goes on though memory has forgotten the last job of the one before it', async () => {
  const database = await server.createDatabase();
  const yaml = yamlOf(database, 'correlation: { max_traces: 4, warm_start: { enabled: false } }');
  const sidecar = await startSidecar({ yaml });
  const heard = async (from: number, to: number) => {
    for (let n = from; n < to; n++) await send(sidecar.port, event(`job-${n}`, n));
    await rowsIn(database, to);
  };
  await heard(0, 6);
  const first = await sidecar.get('/api/v1/jobs?limit=1');
  expect([first.jobs[0].job_id, first.from]).toEqual(['job-5', 'memory']);
  await heard(6, 12);
  const left = await sidecar.get(`/api/v1/jobs?cursor=${first.next}`);
  const ids: string[] = left.jobs.map(({ job_id }: { job_id: string }) => job_id);
  expect([left.from, ...ids.slice(-5)]).toEqual(['postgres', 'job-4', 'job-3', 'job-2', 'job-1', 'job-0']);
  expect(new Set(ids).size).toBe(ids.length);
});

test('of a job half in memory and half in the table nothing is there twice, and all is in order', async () => {
  const database = await server.createDatabase();
  const first = await startSidecar({ yaml: yamlOf(database) });
  await send(first.port, event('half', 0), event('half', 1), event('half', 2));
  await rowsIn(database, 3);
  expect(await first.stop()).toBe(0);
  const second = await startSidecar({ yaml: yamlOf(database, COLD) });
  await send(second.port, event('half', 3), event('half', 4));
  await rowsIn(database, 5);
  const job = await second.get('/api/v1/jobs/half');
  expect([job.from, job.messages, textsOf(job)]).toEqual([
    'postgres',
    5,
    ['step 0', 'step 1', 'step 2', 'step 3', 'step 4'],
  ]);
});

test('of a job beyond the bound the newest messages are shown, and how many are left off', async () => {
  const database = await server.createDatabase();
  const sidecar = await startSidecar({
    yaml: yamlOf(database, 'correlation: { max_traces: 2, warm_start: { enabled: false } }'),
  });
  const events = Array.from({ length: 2500 }, (_, n) => event('long', n / 1000));
  await send(sidecar.port, ...events);
  for (let n = 0; n < 6; n++) await send(sidecar.port, event(`other-${n}`, 10 + n));
  await rowsIn(database, 2506);
  const job = await sidecar.get('/api/v1/jobs/long?limit=5000');
  const { from, messages, left_off, truncated } = job;
  expect({ from, messages, left_off, truncated }).toEqual({
    from: 'postgres',
    messages: 2500,
    left_off: 500,
    truncated: true,
  });
  expect([textsOf(job).length, textsOf(job).at(-1)]).toEqual([2000, 'step 2.499']);
  expect(answerFaults('/api/v1/jobs/{id}', 'get', 200, job)).toEqual([]);
  expect((await printed(sidecar, 'long')).stdout).toContain('500 older messages in the database left off.');
});

test('a database that is killed during a query costs its part of the answer, and no more', async () => {
  const database = await server.createDatabase();
  const sidecar = await startSidecar({ yaml: yamlOf(database, COLD) });
  await send(sidecar.port, event('here', 0));
  await rowsIn(database, 1);
  // Readers wait for whoever has the table to himself.
  const held = server
    .query('BEGIN; LOCK TABLE monitoring_events; SELECT pg_sleep(60)', [], database)
    .catch(() => []);
  await until(
    async () => (await server.query("SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock'")).length > 0,
    'the table is locked',
  );
  const asked = sidecar.get('/api/v1/jobs/here');
  await until(
    async () =>
      (await server.query("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")).length > 0,
    'the query waits',
  );
  await server.kill();
  await held;
  const job = await asked;
  expect([job.from, textsOf(job), job.note]).toEqual([
    'memory',
    ['step 0'],
    expect.stringContaining('the database does not answer'),
  ]);
  const down = await sidecar.get('/api/v1/jobs');
  expect([down.jobs.length, down.note]).toEqual([1, expect.stringContaining('the database does not answer')]);
  expect((await printed(sidecar, 'here')).stdout).toContain('Note: the database does not answer');
  await server.start();
  await until(async () => (await sidecar.get('/api/v1/jobs/here')).note === undefined, 'it answers again');
});

test('after a restart the jobs of the files are known again, a torn last line aside', async () => {
  const folder = createFolder();
  const yaml = `
batch: { max_age: 20ms }
data_dir: data
routing: { default: [{ backend: files }, { backend: again }] }
backends:
  files: { type: filesystem, base_path: $OUT }
  again: { type: filesystem, base_path: $OUT, path: 'again/{source}.jsonl' }
`;
  const first = await startSidecar({ folder, yaml });
  await send(first.port, event('kept', 0, { trace_id: TRACE }), event('kept', 1, { trace_id: TRACE }));
  await until(() => linesBelow(join(folder, 'out')).length === 4, 'both files have the lines');
  const before = await first.get('/api/v1/jobs/kept');
  first.kill('SIGKILL');
  await first.exit();
  appendFileSync(join(folder, 'out', 'queue.jsonl'), event('kept', 2).slice(0, 40));

  const second = await startSidecar({ folder, yaml });
  await until(() => second.hasLogged('info', 'known again'), 'earlier jobs are known');
  expect(await second.get('/api/v1/jobs/kept')).toEqual(before);
  expect(await second.metrics()).toContain('\nsidecar_restored_total 2\n');
  const { code, stdout } = await printed(second, 'kept');
  expect([code, stdout]).toEqual([0, expect.stringContaining('step 0, step 1')]);
  await send(second.port, event('kept', 3));
  await until(async () => (await second.get('/api/v1/jobs/kept')).messages === 3, 'it goes on');
  expect(textsOf(await second.get('/api/v1/jobs/kept'))).toEqual(['step 0', 'step 1', 'step 3']);
});

test('after a restart the jobs of rotated, compressed files are known again', async () => {
  const folder = createFolder();
  const yaml = `
batch: { max_age: 20ms }
data_dir: data
routing: { default: [{ backend: files }] }
backends:
  files: { type: filesystem, base_path: $OUT }
`;
  const first = await startSidecar({ folder, yaml });
  await send(first.port, event('kept', 0), event('kept', 1));
  await until(() => linesBelow(join(folder, 'out')).length === 2, 'the file has the lines');
  const before = await first.get('/api/v1/jobs/kept');
  expect(await first.stop()).toBe(0);
  const file = join(folder, 'out', 'queue.jsonl');
  writeFileSync(join(folder, 'out', 'queue.20251020T103045Z.jsonl.gz'), gzipSync(readFileSync(file)));
  writeFileSync(join(folder, 'out', 'queue.20251020T103046Z.jsonl.gz'), 'damaged');
  rmSync(file);

  const second = await startSidecar({ folder, yaml });
  await until(() => second.hasLogged('info', 'known again'), 'earlier jobs are known');
  expect(await second.get('/api/v1/jobs/kept')).toEqual(before);
});

test('without files the jobs of the table are known again', async () => {
  const database = await server.createDatabase();
  const folder = createFolder();
  const first = await startSidecar({ folder, yaml: yamlOf(database) });
  await send(first.port, event('kept', 0), event('kept', 1));
  await rowsIn(database, 2);
  expect(await first.stop()).toBe(0);
  const second = await startSidecar({ folder, yaml: yamlOf(database) });
  await until(() => second.hasLogged('info', 'known again'), 'earlier jobs are known');
  const job = await second.get('/api/v1/jobs/kept');
  expect([job.from, textsOf(job)]).toEqual(['memory', ['step 0', 'step 1']]);
});
