// The Perl SDK: its own tests, and the brief's use case with its programs and a real sidecar.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, jest, test } from '@jest/globals';
import {
  closeAll,
  linesOf,
  ROOT,
  type RunningSidecar,
  runToEnd,
  startSidecar,
  until,
  write,
} from '../processes.ts';
import { outputOf } from './programs.ts';

const PERL = join(ROOT, 'sdks', 'perl');
const absent = (process.env.SIDECAR_TEST_WITHOUT ?? '').split(',');
const testWith = (...programs: readonly string[]) =>
  programs.some((program) => absent.includes(program)) ? test.skip : test;

jest.setTimeout(900_000);
afterEach(closeAll);

/** Runs a program in the SDK's folder to its end; rejects with what it said unless it exits with 0. */
const runs = (program: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) =>
  outputOf(program, args, PERL, env);

testWith('perl', 'prove')('its own tests pass', async () => {
  expect(await runs('prove', ['-l', 't'])).toContain('Result: PASS');
});

testWith(
  'perl',
  'prove',
  'Log::Any',
)('the bridge of Log::Any passes its tests', async () => {
  // Without Log::Any it would skip them: NOTESTS.
  expect(await runs('prove', ['-l', 't/log_any.t'])).toContain('Result: PASS');
});

/** The brief's configuration with folders in place of the database, S3 and CloudWatch. */
const CONFIG = `
tcp: { host: 127.0.0.1, port: 17000 }
http: { port: 17001 }
batch: { max_age: 50ms }
routing:
  queue-service:
    - backend: timescaledb
      enabled: true
      priority: 1
      filter:
        types: [metric, event]
    - backend: nfs-file
      enabled: true
      priority: 2
      filter:
        types: [event]
      config:
        path: $OUT/nas/logs/queue-service.jsonl
  config-service:
    - backend: s3
      enabled: true
  file-receiver:
    - backend: timescaledb
    - backend: cloudwatch
  db-loader:
    - backend: timescaledb
  default:
    - backend: cloudwatch
      enabled: true
backends:
  timescaledb: { type: filesystem, base_path: $OUT/timescaledb, path: monitoring_events.jsonl }
  nfs-file: { type: filesystem, base_path: $OUT/nas/logs }
  s3: { type: filesystem, base_path: $OUT/s3, path: "config-service/{source}.jsonl" }
  cloudwatch: { type: filesystem, base_path: $OUT/cloudwatch, path: "{source}.jsonl" }
`;

const JOB = 'job-12345';

/** Of the job: 6 of file-receiver, 7 of queue-service, 5 of db-loader. */
const MESSAGES = 18;

interface Delivered {
  readonly source: string;
  readonly type: string;
  readonly job_id?: string;
  readonly trace_id?: string;
  readonly data: Readonly<Record<string, unknown>>;
}

/** The delivered records of one file below the sidecar's output. */
const fileOf = (sidecar: RunningSidecar, path: string) =>
  linesOf(join(sidecar.folder, 'out', path)).map((text) => JSON.parse(text) as Delivered);

/** A record in a few words. */
const wordsOf = ({ source, type, data }: Delivered) =>
  [source, type, data.phase, data.name ?? data.message ?? data.status, data.value]
    .filter((word) => word !== undefined)
    .join(' ');

const FILE_RECEIVER = [
  'file-receiver span start receive_file',
  'file-receiver event File received',
  'file-receiver metric file_valid 1',
  'file-receiver event File validated',
  'file-receiver event Job queued',
  'file-receiver span end receive_file',
];
const DB_LOADER = [
  'db-loader span start load_data',
  'db-loader metric rows_loaded 10000',
  'db-loader resource',
  'db-loader event Data loaded, 10,000 rows inserted',
  'db-loader span end load_data',
];

/** Runs the brief's four programs as a user would, one job through them all. */
async function runJob(sidecar: RunningSidecar): Promise<void> {
  const at = (name: string) => join(sidecar.folder, name);
  const env = { MONITORING_HOST: '127.0.0.1', MONITORING_PORT: String(sidecar.port), EG_TIME_SCALE: '0.02' };
  const rows = Array.from({ length: 10_000 }, (_, n) => `${n},row ${n},1.5\n`).join('');
  write(at('settings.json'), '{"queue":"orders","workers":4}');
  write(at('rows.csv'), rows);
  mkdirSync(at('queue'));
  await runs('perl', ['eg/config_service.pl', at('settings.json')], env);
  await runs('perl', ['eg/file_receiver.pl', JOB, at('rows.csv'), at('queue')], env);
  await runs('perl', ['eg/queue_service.pl', at('queue')], env);
}

describe('the use case of the brief', () => {
  testWith('perl')('one job, three services, one trace; each record where the rules send it', async () => {
    const sidecar = await startSidecar({ yaml: CONFIG });
    await runJob(sidecar);
    const view = () => sidecar.get(`/api/v1/jobs/${JOB}`);
    let job = await view();
    const isWhole = async () => {
      job = await view();
      return job.messages >= MESSAGES;
    };
    await until(isWhole, 'the whole job is known', () => JSON.stringify(job));
    const tree = await runToEnd(['job', JOB, '--url', `http://${sidecar.listening.http}`], {
      cwd: sidecar.folder,
    });
    expect(await sidecar.stop()).toBe(0);

    checkFiles(sidecar);
    checkView(job);
    expect(tree.code).toBe(0);
    expect(tree.stdout).toMatch(
      new RegExp(
        `^${JOB}:\\n` +
          ' {2}├─ file-receiver: File received, File validated, Job queued \\([\\d.]+m?s\\)\\n' +
          ' {2}├─ queue-service: Job dequeued, Processing started \\([\\d.]+m?s\\)\\n' +
          ' {2}└─ db-loader: Data loaded, 10,000 rows inserted \\([\\d.]+m?s\\)\\n\\n' +
          ' {2}Total: [\\d.]+m?s\\n',
      ),
    );
  });
});

function checkFiles(sidecar: RunningSidecar): void {
  const database = fileOf(sidecar, 'timescaledb/monitoring_events.jsonl');
  const of = (source: string, records = database) =>
    records.filter((record) => record.source === source).map(wordsOf);
  expect(of('file-receiver')).toEqual(FILE_RECEIVER);
  expect(of('db-loader')).toEqual(DB_LOADER);
  expect(of('queue-service')).toEqual([
    'queue-service event Job dequeued',
    'queue-service event Processing started',
    'queue-service metric jobs_processed 1',
  ]);
  expect(database).toHaveLength(FILE_RECEIVER.length + DB_LOADER.length + 3);
  expect(fileOf(sidecar, 'nas/logs/queue-service.jsonl').map(wordsOf)).toEqual([
    'queue-service event Job dequeued',
    'queue-service event Processing started',
  ]);
  expect(fileOf(sidecar, 'cloudwatch/file-receiver.jsonl').map(wordsOf)).toEqual(FILE_RECEIVER);
  expect(fileOf(sidecar, 's3/config-service/config-service.jsonl').map(wordsOf)).toEqual([
    'config-service event Configuration loaded',
    'config-service metric config_entries 2',
  ]);
  expect(database.map(({ job_id }) => job_id)).toEqual(database.map(() => JOB));
  expect(new Set(database.map(({ trace_id }) => trace_id)).size).toBe(1);
}

interface Service {
  readonly source: string;
  readonly parents: readonly string[];
  readonly time_ms: number;
  readonly errors: number;
}
interface Entry {
  readonly source: string;
  readonly name?: string;
  readonly span_id?: string;
  readonly parent_span_id?: string;
  readonly duration_ms?: number;
}
interface Job {
  readonly state: string;
  readonly percent: number;
  readonly errors: number;
  readonly total_ms: number;
  readonly trace_ids: readonly string[];
  readonly services: readonly Service[];
  readonly timeline: readonly Entry[];
}

/** How far a sum of rounded times may be off, milliseconds. */
const ROUNDING_MS = 5;

function checkView(job: Job): void {
  expect(job).toMatchObject({ state: 'succeeded', percent: 100, errors: 0 });
  expect(job.trace_ids).toEqual([expect.stringMatching(/^[0-9a-f]{32}$/)]);
  expect(job.services.map(({ source, parents }) => [source, parents])).toEqual([
    ['file-receiver', []],
    ['queue-service', ['file-receiver']],
    ['db-loader', ['queue-service']],
  ]);
  const span = (name: string) =>
    job.timeline.find((entry) => entry.name === name && entry.duration_ms !== undefined)!;
  const [received, processed, loaded] = [span('receive_file'), span('process_job'), span('load_data')];
  expect(processed.parent_span_id).toBe(received.span_id);
  expect(loaded.parent_span_id).toBe(processed.span_id);
  expect(received.duration_ms).toBeGreaterThanOrEqual(2.3 * 20);
  expect(loaded.duration_ms).toBeGreaterThanOrEqual(45.2 * 20);
  expect(processed.duration_ms).toBeGreaterThan(loaded.duration_ms!);

  const [receiver, queue, loader] = job.services.map(({ time_ms }) => time_ms);
  expect(Math.abs(receiver! - received.duration_ms!)).toBeLessThan(ROUNDING_MS);
  expect(Math.abs(loader! - loaded.duration_ms!)).toBeLessThan(ROUNDING_MS);
  expect(Math.abs(queue! - (processed.duration_ms! - loaded.duration_ms!))).toBeLessThan(ROUNDING_MS);
  expect(job.total_ms).toBeGreaterThanOrEqual(receiver! + queue! + loader! - ROUNDING_MS);
}
