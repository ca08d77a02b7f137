import { execFileSync } from 'node:child_process';
import { chmodSync, readFileSync } from 'node:fs';
import { afterEach, expect, jest, test } from '@jest/globals';
import pg from 'pg';
import {
  closeAll,
  createFolder,
  line,
  ROOT,
  type RunningSidecar,
  send,
  startSidecar,
  TEST_MS,
  until,
} from '../processes.ts';

jest.setTimeout(TEST_MS);
afterEach(closeAll);

const EMBEDDED = `
batch: { max_age: 20ms }
data_dir: data
routing:
  default:
    - backend: db
backends:
  db: { type: postgres, embedded: true }
`;

const running = (sidecar: RunningSidecar) =>
  sidecar.log().find(({ msg }) => msg === 'Embedded PostgreSQL runs') as
    | (ReturnType<RunningSidecar['log']>[number] & { port: number; user: string; password_file: string })
    | undefined;

/** The values of the rows that a sidecar's own server holds; none before it runs. */
async function valuesIn(sidecar: RunningSidecar): Promise<number[]> {
  const found = running(sidecar);
  if (found === undefined) return [];
  const { port, user, password_file } = found;
  const password = readFileSync(password_file, 'utf8').trim();
  const client = new pg.Client({ host: '127.0.0.1', port, user, password, database: 'postgres' });
  client.on('error', () => {});
  try {
    await client.connect();
    const { rows } = await client.query('SELECT value FROM monitoring_events ORDER BY value');
    return rows.map(({ value }) => value);
  } catch {
    return [];
  } finally {
    await client.end().catch(() => {});
  }
}

const lines = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, n) => line(from + n)).join('');

test('from a socket to rows; a killed sidecar leaves its server to the next one, which stops it', async () => {
  const folder = createFolder();
  // The server of a sidecar that is root is somebody else.
  chmodSync(folder, 0o711);
  const first = await startSidecar({ folder, yaml: EMBEDDED });
  await send(first.port, lines(0, 500));
  await until(async () => (await valuesIn(first)).length === 500, 'the rows of the first arrive');
  const { port } = running(first)!;
  first.kill('SIGKILL');
  await first.exit();

  const second = await startSidecar({ folder, yaml: EMBEDDED });
  await send(second.port, lines(500, 1000));
  await until(async () => (await valuesIn(second)).length === 1000, 'the rows of the second arrive');
  expect(await valuesIn(second)).toEqual(Array.from({ length: 1000 }, (_, n) => n));
  expect(running(second)!.port).toBe(port);
  expect(await second.stop()).toBe(0);
  const client = new pg.Client({ host: '127.0.0.1', port });
  await expect(client.connect()).rejects.toThrow('ECONNREFUSED');
});

test('the client library is loaded by the first send only', () => {
  const script = `
    const { loadSinks } = await import('./dist/deliver/registry.js');
    const { createRequire } = await import('node:module');
    const { default: postgres } = { default: (await loadSinks()).get('postgres') };
    const sink = postgres.open(postgres.options.parse({ connection_string: 'postgres://h/d' }), {});
    sink.address({});
    const loaded = () => Object.keys(createRequire('/x.js').cache).some((path) => path.includes('/pg-promise/'));
    const before = loaded();
    await new Promise((done) => sink.send({ messages: [] }, { key: 'x' }).subscribe({ error: done }));
    console.log(JSON.stringify([before, loaded()]));
    process.exit(0)`;
  const said = execFileSync(process.execPath, ['--input-type=module', '-e', script], { cwd: ROOT });
  expect(JSON.parse(said.toString())).toEqual([false, true]);
});
