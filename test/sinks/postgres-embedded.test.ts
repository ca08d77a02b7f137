import { chmod, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import pg from 'pg';
import type { SinkContext } from '../../src/deliver/sink.ts';
import { openPostgres } from './postgres-server.ts';
import { afterwards, batch, close, eventually, ids, type LogLine, send, sinkContext } from './support.ts';

jest.setTimeout(120_000);

/** A context with a `data_dir` of its own, removed after the test. */
async function contextWithFolder(): Promise<SinkContext & { readonly lines: LogLine[] }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'embedded-'));
  afterwards(() => rm(dataDir, { recursive: true, force: true, maxRetries: 5 }));
  return { ...sinkContext(), dataDir, backend: 'db' };
}

interface Running {
  readonly port: number;
  readonly user: string;
  readonly password_file: string;
}

const runningOf = ({ lines }: { lines: LogLine[] }) =>
  lines.findLast(({ message }) => message === 'Embedded PostgreSQL runs')?.fields as Running;

/** Signs in as the log says that one can. */
async function connect({ port, user, password_file }: Running): Promise<pg.Client> {
  const password = (await readFile(password_file, 'utf8')).trim();
  const client = new pg.Client({ host: '127.0.0.1', port, user, password, database: 'postgres' });
  client.on('error', () => {});
  await client.connect();
  return client;
}

const pidOf = async ({ dataDir }: SinkContext) =>
  Number((await readFile(join(dataDir, 'postgres/db/data/postmaster.pid'), 'utf8')).split('\n')[0]);

const isRunning = (context: SinkContext) =>
  stat(join(context.dataDir, 'postgres/db/data/postmaster.pid')).then(
    () => true,
    () => false,
  );

test('starts with the first send, keeps its rows from run to run, and stops with the sink', async () => {
  const context = await contextWithFolder();
  const [first, second] = [batch(3), batch(2)];
  const sink = openPostgres({ embedded: true }, context);
  expect(await isRunning(context)).toBe(false);
  await send(sink, first);
  const running = runningOf(context);
  const client = await connect(running);
  const { rows } = await client.query("SELECT current_setting('listen_addresses') AS at");
  expect(rows).toEqual([{ at: '127.0.0.1' }]);
  await client.end();
  await close(sink);
  expect(await isRunning(context)).toBe(false);

  const again = openPostgres({ embedded: true }, context);
  await send(again, second);
  const other = await connect(runningOf(context));
  const found = await other.query('SELECT id FROM monitoring_events ORDER BY id');
  expect(found.rows.map(({ id }) => id)).toEqual(ids(first, second));
  await other.end();
  await close(again);
});

test('its password is random, and nobody else’s to read; the log does not say it', async () => {
  const context = await contextWithFolder();
  await send(openPostgres({ embedded: true }, context), batch());
  const { password_file, port, user } = runningOf(context);
  const password = (await readFile(password_file, 'utf8')).trim();
  expect(password).toMatch(/^[0-9a-f]{48}$/);
  expect((await stat(password_file)).mode & 0o777).toBe(0o600);
  expect(JSON.stringify(context.lines)).not.toContain(password);
  const wrong = new pg.Client({ host: '127.0.0.1', port, user, password: 'x', database: 'postgres' });
  await expect(wrong.connect()).rejects.toThrow('password authentication failed');
});

test('a reload’s new sink joins the server of the old one, whose end does not stop it', async () => {
  const context = await contextWithFolder();
  const before = openPostgres({ embedded: true }, context);
  await send(before, batch());
  const after = openPostgres({ embedded: true, pool_size: 1 }, context);
  await send(after, batch());
  await close(before);
  await send(after, batch());
  await close(after);
  expect(await isRunning(context)).toBe(false);
});

test('one that was killed is started anew', async () => {
  const context = await contextWithFolder();
  const sink = openPostgres({ embedded: true }, context);
  await send(sink, batch(2));
  process.kill(await pidOf(context), 'SIGKILL');
  await close(sink);
  const next = openPostgres({ embedded: true }, context);
  await send(next, batch());
  const client = await connect(runningOf(context));
  afterwards(() => client.end());
  const { rows } = await client.query('SELECT count(*)::int AS n FROM monitoring_events');
  expect(rows).toEqual([{ n: 3 }]);
});

test('one that is killed while it is used is started anew, at the same address', async () => {
  const context = await contextWithFolder();
  const sink = openPostgres({ embedded: true }, context);
  await send(sink, batch(2));
  const before = runningOf(context);
  const killed = await pidOf(context);
  process.kill(killed, 'SIGKILL');
  const next = batch(3);
  // The server's other processes take a moment to see that it is gone; until then they do their work.
  await eventually(async () => {
    await send(sink, next);
    expect(await pidOf(context)).not.toBe(killed);
  });
  expect(runningOf(context)).toEqual(before);
  const client = await connect(before);
  afterwards(() => client.end());
  const { rows } = await client.query('SELECT count(*)::int AS n FROM monitoring_events');
  expect(rows).toEqual([{ n: 5 }]);
});

test('a folder that the server may not enter says so', async () => {
  const outer = await mkdtemp(join(tmpdir(), 'embedded-'));
  afterwards(() => rm(outer, { recursive: true, force: true }));
  const isRoot = process.getuid?.() === 0;
  // Root may enter any; the server is somebody else then.
  await chmod(outer, isRoot ? 0o700 : 0o500);
  const context = { ...sinkContext(), dataDir: join(outer, 'data'), backend: 'db' };
  const sink = openPostgres({ embedded: true }, context);
  await expect(send(sink, batch())).rejects.toThrow(isRoot ? `cannot enter ${outer}` : 'EACCES');
});
