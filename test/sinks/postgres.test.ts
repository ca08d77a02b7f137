import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { lastValueFrom, mergeMap, range } from 'rxjs';
import { createBatch } from '../../src/batch.ts';
import { openPostgres, type Server, startServer } from './postgres-server.ts';
import { afterwards, batch, close, eventually, ids, message, send, sinkContext } from './support.ts';

let server: Server;
beforeAll(async () => {
  server = await startServer();
}, 60_000);
afterAll(() => server.remove());

const idsOf = async (db: string, table = 'monitoring_events') =>
  (await server.query(`SELECT id FROM ${table} ORDER BY id`, [], db)).map(({ id }) => id);

/** A connection of one's own, closed after the test. */
async function connect(db: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: server.url(db) });
  client.on('error', () => {});
  await client.connect();
  afterwards(() => client.end());
  return client;
}

describe('a row', () => {
  test('has the envelope in columns, the data as it was sent, and all else beside it', async () => {
    const db = await server.createDatabase();
    const head =
      '{"source":"db-loader","timestamp":"2025-10-20T10:30:45.123Z","ts_us":1760956245123456,"type":"metric",' +
      '"trace_id":"0af7651916cd43dd8448eb211c80319c","span_id":"b7ad6b7169203331","session":"5e55","seq":7,' +
      '"colour":"blue", "data": {"name":"rows_loaded","value":12345678901234567890.10,"unit":"count"}';
    const one = message({
      source: 'db-loader',
      type: 'metric',
      timeMs: Date.UTC(2025, 9, 20, 10, 30, 45, 123),
      receivedMs: Date.UTC(2025, 9, 20, 10, 30, 46, 1),
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      jobId: 'job-1',
      seq: 7,
      head,
      tail: ',"host":"h1","tags":{"env":"prod"},"job_id":"job-1"',
      parsed: undefined,
    });
    await send(openPostgres({ connection_string: server.url(db) }), createBatch([one], 500, 'count'));
    const [row] = await server.query(
      'SELECT *, data::text AS data, extra::text AS extra FROM monitoring_events',
      [],
      db,
    );
    expect(row).toEqual({
      time: new Date('2025-10-20T10:30:45.123Z'),
      id: one.id,
      source: 'db-loader',
      type: 'metric',
      level: null,
      name: 'rows_loaded',
      value: 12345678901234567000,
      job_id: 'job-1',
      trace_id: '0af7651916cd43dd8448eb211c80319c',
      span_id: 'b7ad6b7169203331',
      session: '5e55',
      seq: '7',
      host: 'h1',
      received_at: new Date('2025-10-20T10:30:46.001Z'),
      data: '{"name": "rows_loaded", "unit": "count", "value": 12345678901234567890.10}',
      extra: '{"tags": {"env": "prod"}, "ts_us": 1760956245123456, "colour": "blue"}',
    });
  });

  test('of an event has its level’s name; what is absent is null', async () => {
    const db = await server.createDatabase();
    await send(openPostgres({ connection_string: server.url(db) }), batch(1, { severity: 4 }));
    const [row] = await server.query('SELECT * FROM monitoring_events', [], db);
    expect(row).toMatchObject({
      level: 'warn',
      name: null,
      value: null,
      job_id: null,
      seq: null,
      extra: null,
    });
  });

  test.each([
    ['-0001-12-31T23:59:59.999Z', '0002-12-31 23:59:59.999+00 BC'],
    ['0000-01-01T00:00:00.001Z', '0001-01-01 00:00:00.001+00 BC'],
    ['1969-12-31T23:59:59.999Z', '1969-12-31 23:59:59.999+00'],
    ['1999-12-31T23:59:59.999Z', '1999-12-31 23:59:59.999+00'],
    ['9999-12-31T23:59:59.999Z', '9999-12-31 23:59:59.999+00'],
  ])('of %s has that very time', async (iso, expected) => {
    const db = await server.createDatabase();
    const timeMs = Date.parse(iso.startsWith('-') ? iso.replace('-', '-00') : iso);
    await send(openPostgres({ connection_string: server.url(db) }), batch(1, { timeMs }));
    const rows = await server.query(
      "SET timezone = 'UTC'; SELECT time::text AS time FROM monitoring_events",
      [],
      db,
    );
    expect(rows).toEqual([{ time: expected }]);
  });
});

describe('sending', () => {
  test('a batch is one statement; sent again, nothing is there twice', async () => {
    const db = await server.createDatabase();
    const sink = openPostgres({ connection_string: server.url(db) });
    const [first, more] = [batch(1000), batch(10)];
    await send(sink, first);
    await send(sink, first);
    await send(sink, createBatch([...first.messages, ...more.messages], 1, 'count'));
    expect(await idsOf(db)).toEqual(ids(first, more));
    const [{ xids }] = await server.query(
      'SELECT count(DISTINCT xmin::text)::int AS xids FROM monitoring_events',
      [],
      db,
    );
    expect(xids).toBe(2);
  });

  test('rules with tables of their own share the pool', async () => {
    const db = await server.createDatabase();
    const sink = openPostgres({ connection_string: server.url(db), pool_size: 1, table: 'one' });
    const [one, two] = [batch(2), batch(3)];
    await Promise.all([send(sink, one), send(sink, two, { table: 'two' })]);
    expect([await idsOf(db, 'one'), await idsOf(db, 'two')]).toEqual([ids(one), ids(two)]);
    const activity = `SELECT application_name AS name FROM pg_stat_activity WHERE datname = '${db}'`;
    expect(await server.query(activity)).toEqual([{ name: 'monitoring-sidecar' }]);
  });

  test('more sends than connections wait their turn, however long that is', async () => {
    const db = await server.createDatabase();
    const sink = openPostgres({ connection_string: server.url(db), pool_size: 2, connect_timeout: '2s' });
    await send(sink, batch());
    const locker = await connect(db);
    await locker.query('BEGIN; LOCK TABLE monitoring_events IN ACCESS EXCLUSIVE MODE');
    const sending = lastValueFrom(range(20).pipe(mergeMap(() => send(sink, batch(5)))));
    await eventually(async () => expect(await waiting(db)).toBe(2));
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    await locker.query('COMMIT');
    await sending;
    expect(await idsOf(db)).toHaveLength(101);
  });

  test.each([5, 2000])(
    'unsubscribing cancels a statement of %d rows and frees the connection',
    async (rows) => {
      const db = await server.createDatabase();
      const sink = openPostgres({ connection_string: server.url(db), pool_size: 1 });
      await send(sink, batch());
      const locker = await connect(db);
      await locker.query('BEGIN; LOCK TABLE monitoring_events IN ACCESS EXCLUSIVE MODE');
      const aborted = batch(rows);
      const subscription = sink.send(aborted, { key: 'monitoring_events' }).subscribe();
      await eventually(async () => expect(await waiting(db)).toBe(1));
      subscription.unsubscribe();
      await eventually(async () => expect(await waiting(db)).toBe(0));
      await locker.query('COMMIT');
      const next = batch();
      await send(sink, next);
      expect(await idsOf(db)).not.toContain(aborted.messages[0]!.id);
      expect(await idsOf(db)).toContain(next.messages[0]!.id);
    },
  );

  test('unsubscribing while it waits for a connection leaves that to others', async () => {
    const db = await server.createDatabase();
    const sink = openPostgres({ connection_string: server.url(db), pool_size: 1 });
    await send(sink, batch());
    const locker = await connect(db);
    await locker.query('BEGIN; LOCK TABLE monitoring_events IN ACCESS EXCLUSIVE MODE');
    const first = send(sink, batch());
    await eventually(async () => expect(await waiting(db)).toBe(1));
    sink.send(batch(), { key: 'monitoring_events' }).subscribe().unsubscribe();
    const last = send(sink, batch());
    await locker.query('COMMIT');
    await Promise.all([first, last]);
    expect(await idsOf(db)).toHaveLength(3);
  });

  test('nothing connects before the first send; closing leaves no connection', async () => {
    const db = await server.createDatabase();
    const context = sinkContext();
    const idle = openPostgres({ connection_string: 'postgresql://u:p@127.0.0.1:1/none' }, context);
    idle.address({ table: 'other' }).target(message());
    await close(idle);
    const sink = openPostgres({ connection_string: server.url(db) }, context);
    await send(sink, batch());
    await close(sink);
    await eventually(async () =>
      expect(await server.query(`SELECT 1 FROM pg_stat_activity WHERE datname = '${db}'`)).toEqual([]),
    );
    expect(context.lines.map((line) => line.message)).toEqual(['Table made']);
  });
});

/** How many statements of a sink wait for a lock. */
async function waiting(db: string): Promise<number> {
  const rows = await server.query(
    `SELECT 1 FROM pg_stat_activity WHERE datname = '${db}' AND application_name = 'monitoring-sidecar' AND wait_event_type = 'Lock'`,
  );
  return rows.length;
}
