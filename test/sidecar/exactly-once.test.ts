// Records of sessions, a sidecar that is killed while they flow, and a real PostgreSQL: each is a row, once.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterEach, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import {
  closeAll,
  createFolder,
  freePort,
  ROOT,
  type RunningSidecar,
  send,
  startSidecar,
  until,
} from '../processes.ts';
import { sendAll } from '../session-client.ts';

jest.setTimeout(600_000);
afterEach(closeAll);

const COUNT = 10_000;
const KILLS = 5;
const absent = (process.env.SIDECAR_TEST_WITHOUT ?? '').split(',');
const testWithPerl = absent.includes('perl') ? test.skip : test;

const YAML = `
batch: { max_age: 20ms }
data_dir: data
routing:
  default:
    - backend: db
    - backend: files
backends:
  db: { type: postgres, embedded: true, durability: disk }
  files: { type: filesystem, base_path: $OUT, path: all.jsonl, durability: disk }
`;

interface Database {
  readonly port: number;
  readonly user: string;
  readonly password_file: string;
}

async function query(sidecar: RunningSidecar, sql: string): Promise<readonly Record<string, unknown>[]> {
  const found = sidecar.log().find(({ msg }) => msg === 'Embedded PostgreSQL runs') as unknown as Database;
  if (found === undefined) return [];
  const { port, user, password_file } = found;
  const password = readFileSync(password_file, 'utf8').trim();
  const client = new pg.Client({ host: '127.0.0.1', port, user, password, database: 'postgres' });
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query(sql)).rows;
  } catch {
    return [];
  } finally {
    await client.end().catch(() => {});
  }
}

const TOTALS = `SELECT count(*)::int AS rows, count(DISTINCT seq)::int AS seqs, count(DISTINCT value)::int AS values,
  max(seq)::int AS last, count(DISTINCT session)::int AS sessions FROM monitoring_events WHERE type = 'metric'`;

/** Runs `client` against a sidecar that is killed a few times meanwhile, at random; each record must be one row. */
async function survives(client: (port: () => number, progress: (seq: number) => void) => Promise<void>) {
  const folder = createFolder();
  // The server of a sidecar that is root is somebody else.
  chmodSync(folder, 0o711);
  const port = await freePort();
  const run = () => startSidecar({ folder, yaml: YAML, set: [`tcp.port=${port}`, 'http.port=0'] });
  let sidecar = await run();
  let acked = 0;
  let isDone = false;
  const sending = client(
    () => port,
    (seq) => {
      acked = Math.max(acked, seq);
    },
  ).finally(() => {
    isDone = true;
  });
  const kills = Array.from({ length: KILLS }, () => Math.floor(Math.random() * COUNT * 0.9)).sort(
    (a, b) => a - b,
  );
  console.log(`killed at ${kills.join(', ')} acknowledged records`);
  for (const at of kills) {
    await until(
      () => acked >= at || isDone,
      `${at} acknowledged`,
      () => acked,
    );
    // Some records more may be anywhere on their way.
    await pause(Math.random() * 100);
    sidecar.kill('SIGKILL');
    await sidecar.exit();
    sidecar = await run();
  }
  await sending;
  // The server starts with the first send, and everything may be in it already.
  await send(port, '{"source":"waker","type":"event"}\n');
  const isComplete = async () => (await query(sidecar, TOTALS))[0]?.rows === COUNT;
  await until(isComplete, 'all rows', () => sidecar.stderr().slice(-2000));
  expect(await query(sidecar, TOTALS)).toEqual([
    { rows: COUNT, seqs: COUNT, values: COUNT, last: COUNT, sessions: 1 },
  ]);
  const more = 'SELECT id FROM monitoring_events GROUP BY id HAVING count(*) > 1';
  expect(await query(sidecar, more)).toEqual([]);
  expect(await sidecar.stop()).toBe(0);
}

test('of a client in a few lines of TypeScript', async () => {
  await survives((port, progress) => sendAll(port, 'ab'.repeat(16), COUNT, 'disk', progress));
});

const PROGRAM = `
  use Monitoring::SDK;
  $| = 1;
  my $sdk = Monitoring::SDK->new(source => 'perl', tcp_port => $ARGV[0], ack => 'disk', buffer_bytes => 8e6);
  my $dropped = 0;
  for my $n (1 .. ${COUNT}) {
    $dropped++ unless $sdk->log_metric('n', $n, 'count');
    next if $n % 20;
    select undef, undef, undef, 0.005;
    print $sdk->stats->{sent}, "\\n";
  }
  for (1 .. 600) { last if $sdk->flush(0.2); print $sdk->stats->{sent}, "\\n" }
  my $stats = $sdk->stats;
  print "left $stats->{queued} dropped $dropped\\n";
  exit !$sdk->close;
`;

testWithPerl('of the Perl SDK', async () => {
  await survives(async (port, progress) => {
    const lib = join(ROOT, 'sdks', 'perl', 'lib');
    const child = spawn('perl', [`-I${lib}`, '-e', PROGRAM, String(port())], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let said = '';
    child.stderr.resume();
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      said = (said + text).slice(-1000);
      progress(Number(said.trimEnd().split('\n').at(-1)) || 0);
    });
    const [code] = await once(child, 'close');
    expect([code, said.trimEnd().split('\n').at(-1)]).toEqual([0, 'left 0 dropped 0']);
  });
});
