// The brief's acceptance tests, with its own configuration and real servers.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, jest, test } from '@jest/globals';
import { BRIEF, type Delivered, startWorld, type World } from '../brief.ts';
import { describeWithMoto } from '../moto.ts';
import {
  closeAll,
  ROOT,
  type RunningSidecar,
  runToEnd,
  send,
  startSender,
  TEST_MS,
  until,
  write,
} from '../processes.ts';

jest.setTimeout(TEST_MS);
afterEach(closeAll);

const event = (source: string, n: number) =>
  `${JSON.stringify({ source, timestamp: new Date().toISOString(), type: 'event', data: { level: 'info', message: `m${n}`, n } })}\n`;
const metric = (source: string, value: number) =>
  `${JSON.stringify({ source, timestamp: new Date().toISOString(), type: 'metric', data: { name: 'n', value, unit: 'count' } })}\n`;

const numbersOf = (records: readonly Delivered[]) => records.map(({ data }) => data.n ?? data.value);
const count = (n: number) => Array.from({ length: n }, (_, at) => at);

const withPerl = (process.env.SIDECAR_TEST_WITHOUT ?? '').split(',').includes('perl') ? test.skip : test;

describeWithMoto('the configuration of the brief', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  }, TEST_MS);
  afterAll(() => world?.close());

  test('as it stands: each source’s records are where its rules send them, and nowhere else', async () => {
    const sidecar = await world.start(await world.fresh());
    await send(sidecar.port, event('queue-service', 1), metric('queue-service', 2));
    await send(sidecar.port, event('config-service', 3), metric('config-service', 4));
    await send(sidecar.port, event('web', 5), event('api', 6));
    await until(
      async () => (await world.stream('api')).length === 1,
      'CloudWatch has its part',
      sidecar.stderr,
    );
    await until(async () => (await world.rows()).length === 2, 'the database has its part', sidecar.stderr);
    const placesOf = async ({ id }: Delivered) => {
      const { backends } = await sidecar.get(`/api/v1/why/${id}`);
      return Object.fromEntries(backends.map(({ backend, place }: Delivered) => [backend, place]));
    };
    expect(await placesOf((await world.rows())[0])).toMatchObject({
      timescaledb: 'monitoring_events',
      'nfs-file': `${join(sidecar.folder, 'nas', 'queue-service.jsonl')} from byte 0`,
    });
    expect(await placesOf((await world.stream('api'))[0])).toMatchObject({
      cloudwatch: 'log_group=/app/monitoring log_stream=api',
    });
    // Half full, and a minute young: the end sends it.
    expect(await sidecar.stop()).toBe(0);
    expect((await world.rows()).map(({ source, type }) => [source, type])).toEqual([
      ['queue-service', 'event'],
      ['queue-service', 'metric'],
    ]);
    expect(numbersOf(world.file(sidecar))).toEqual([1]);
    const objects = await world.objects();
    expect(numbersOf(objects)).toEqual([3, 4]);
    expect(new Set(objects.map(({ key }) => key)).size).toBe(1);
    expect(objects[0].key).toMatch(/^config-service\/\d{8}T\d{9}Z-.+\.jsonl\.gz$/);
    expect(numbersOf([...(await world.stream('web')), ...(await world.stream('api'))])).toEqual([5, 6]);
    expect(await world.stream('queue-service')).toEqual([]);
  });

  withPerl(
    'the use case: three services and a script, one job, one trace, each record in its backends',
    async () => {
      const sidecar = await world.start(await world.fresh(), WITH_RULES);
      await runJob(sidecar);
      await until(
        async () => (await world.rows()).length === DATABASE_ROWS,
        'the database has all',
        sidecar.stderr,
      );
      const tree = await runToEnd(['job', JOB, '--url', `http://${sidecar.listening.http}`], {
        cwd: sidecar.folder,
      });
      expect(await sidecar.stop()).toBe(0);

      const rows = await world.rows();
      const by = (source: string) => rows.filter((row) => row.source === source).length;
      expect([by('file-receiver'), by('queue-service'), by('db-loader'), by('config-service')]).toEqual([
        6, 3, 5, 0,
      ]);
      expect(rows.map(({ job_id }) => job_id)).toEqual(rows.map(() => JOB));
      expect(new Set(rows.map(({ trace_id }) => trace_id)).size).toBe(1);
      const loaded = rows.find(({ source, type }) => source === 'db-loader' && type === 'metric');
      expect(loaded.value).toBe(10_000);
      expect(world.file(sidecar).map(({ data }) => data.message)).toEqual([
        'Job dequeued',
        'Processing started',
      ]);
      expect((await world.stream('file-receiver')).map(({ type }) => type)).toEqual(
        rows.filter(({ source }) => source === 'file-receiver').map(({ type }) => type),
      );
      expect((await world.objects()).map(({ source }) => source)).toEqual([
        'config-service',
        'config-service',
      ]);
      expect(tree.stdout).toMatch(
        new RegExp(
          `^${JOB}:\\n` +
            ' {2}├─ file-receiver: File received, File validated, Job queued \\([\\d.]+m?s\\)\\n' +
            ' {2}├─ queue-service: Job dequeued, Processing started \\([\\d.]+m?s\\)\\n' +
            ' {2}└─ db-loader: Data loaded, 10,000 rows inserted \\([\\d.]+m?s\\)\\n\\n' +
            ' {2}Total: [\\d.]+m?s\\n',
        ),
      );
    },
  );

  test('the runtime change: a rule is added while data flows, and new data flows to CloudWatch; nothing is lost', async () => {
    const sidecar = await world.start(await world.fresh());
    // CloudWatch Logs takes nothing that is weeks old.
    const more = { timestamp: new Date().toISOString() };
    const sender = await startSender(sidecar.port, { source: 'queue-service', block: 10, pauseMs: 5, more });
    await until(async () => (await world.rows()).length > 100, 'data flows', sidecar.stderr);
    expect(await world.stream('queue-service')).toEqual([]);
    writeFileSync(sidecar.path, WITH_CLOUDWATCH);
    await until(
      () => sidecar.hasLogged('info', 'configuration applied'),
      'the edit is applied',
      sidecar.stderr,
    );
    const before = (await world.rows()).length;
    await until(
      async () => (await world.stream('queue-service')).length > 100,
      'CloudWatch gets it',
      sidecar.stderr,
    );
    await until(
      async () => (await world.rows()).length > before + 100,
      'and so does the database',
      sidecar.stderr,
    );
    expect(sender.isCut()).toBe(false);
    const sent = await sender.stop();
    expect(await sidecar.stop()).toBe(0);

    const rows = (await world.rows()).map(({ value }) => value).sort((a, b) => a - b);
    expect(rows).toEqual(count(sent));
    const streamed = numbersOf(await world.stream('queue-service')).sort((a, b) => a - b);
    // From one record on all, without a gap.
    expect(streamed).toEqual(count(sent).slice(streamed[0]));
    expect(streamed[0]).toBeGreaterThan(0);
    expect(sidecar.log().filter(({ level }) => level === 'error')).toEqual([]);
  });
});

const JOB = 'job-12345';
/** Of file-receiver 6, of queue-service its events and metrics, of db-loader 5. */
const DATABASE_ROWS = 6 + 3 + 5;

/** The brief's text, and the rules that its use case adds in words. */
const WITH_RULES = BRIEF.replace(
  '  default:\n',
  `  file-receiver:
    - backend: timescaledb
    - backend: cloudwatch
      config:
        log_group: /app/monitoring
        log_stream: "{source}"
  db-loader:
    - backend: timescaledb
  default:
`,
);

/** The brief's text, with the rule that its runtime change adds. */
const WITH_CLOUDWATCH = BRIEF.replace(
  '  config-service:\n',
  `    - backend: cloudwatch
      enabled: true
      config:
        log_group: /app/monitoring
        log_stream: "{source}"
  config-service:
`,
);

/** Runs the brief's programs as a user would, one job through them all. */
async function runJob(sidecar: RunningSidecar): Promise<void> {
  const at = (name: string) => join(sidecar.folder, name);
  write(at('settings.json'), '{"queue":"orders","workers":4}');
  write(
    at('rows.csv'),
    count(10_000)
      .map((n) => `${n},row ${n},1.5\n`)
      .join(''),
  );
  mkdirSync(at('queue'));
  const run = async (...args: string[]) => {
    const child = spawn('perl', args, {
      cwd: join(ROOT, 'sdks', 'perl'),
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...process.env,
        MONITORING_HOST: '127.0.0.1',
        MONITORING_PORT: String(sidecar.port),
        EG_TIME_SCALE: '0.02',
      },
    });
    expect(await once(child, 'close')).toEqual([0, null]);
  };
  await run('eg/config_service.pl', at('settings.json'));
  await run('eg/file_receiver.pl', JOB, at('rows.csv'), at('queue'));
  await run('eg/queue_service.pl', at('queue'));
}
