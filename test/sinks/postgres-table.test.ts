import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { openPostgres, type Server, startServer } from './postgres-server.ts';
import { batch, ids, send, sinkContext } from './support.ts';

let server: Server;
beforeAll(async () => {
  server = await startServer();
}, 60_000);
afterAll(() => server.remove());

const countOf = async (db: string, table: string) =>
  (await server.query(`SELECT count(*)::int AS rows FROM ${table}`, [], db))[0].rows;

/** A user who may connect, and nothing else. */
async function createUser(name: string, db: string, grants: string): Promise<string> {
  await server.query(`CREATE USER ${name} PASSWORD '${name}'`);
  await server.query(`REVOKE CREATE ON SCHEMA public FROM PUBLIC; ${grants}`, [], db);
  return server.url(db, name);
}

describe('a missing table', () => {
  test('is made once, with its indexes, however many sidecars start at once', async () => {
    const db = await server.createDatabase();
    const sinks = Array.from({ length: 8 }, () => openPostgres({ connection_string: server.url(db) }));
    await Promise.all(sinks.flatMap((sink) => [send(sink, batch(3)), send(sink, batch(3))]));
    expect(await countOf(db, 'monitoring_events')).toBe(48);
    const indexes = await server.query(
      "SELECT indexdef FROM pg_indexes WHERE tablename = 'monitoring_events' ORDER BY indexname",
      [],
      db,
    );
    expect(indexes.map(({ indexdef }) => indexdef.replace(/.* USING btree /, ''))).toEqual([
      '(job_id, "time") WHERE (job_id IS NOT NULL)',
      '("time", id)',
      '(source, "time")',
      '(trace_id, "time") WHERE (trace_id IS NOT NULL)',
    ]);
  });

  test.each([
    ['Events', '"Events"'],
    ['we"ird; DROP TABLE x; --', '"we""ird; DROP TABLE x; --"'],
    ["o'neil", `"o'neil"`],
    ['telemetry.events', '"telemetry"."events"'],
    ['Größe.ereignisse mit leerzeichen', '"Größe"."ereignisse mit leerzeichen"'],
    ['a'.repeat(63), `"${'a'.repeat(63)}"`],
  ])('of the name %s is that very table, and its schema is made with it', async (table, quoted) => {
    const db = await server.createDatabase();
    await send(openPostgres({ connection_string: server.url(db), table }), batch(2));
    expect(await countOf(db, quoted)).toBe(2);
  });

  test('is waited for with create_table: false', async () => {
    const db = await server.createDatabase();
    const sink = openPostgres({ connection_string: server.url(db), create_table: false });
    const sent = batch(2);
    await expect(send(sink, sent)).rejects.toMatchObject({
      name: 'TableUnusable',
      message: 'there is no table "monitoring_events", or this user may not see it',
    });
    await send(openPostgres({ connection_string: server.url(db) }), batch());
    await send(sink, sent);
    expect(await countOf(db, 'monitoring_events')).toBe(3);
  });

  test('that this user may not make says so, and is waited for', async () => {
    const db = await server.createDatabase();
    const sink = openPostgres({ connection_string: await createUser('maker', db, '') });
    const refusal = send(sink, batch());
    await expect(refusal).rejects.toThrow('permission denied for schema public (SQLSTATE 42501)');
    await expect(refusal).rejects.not.toHaveProperty('scope');
  });

  test('dropped while data flows is made again', async () => {
    const db = await server.createDatabase();
    const sink = openPostgres({ connection_string: server.url(db) });
    await send(sink, batch());
    await server.query('DROP TABLE monitoring_events', [], db);
    await send(sink, batch(2));
    expect(await countOf(db, 'monitoring_events')).toBe(2);
  });
});

describe('a table that is there', () => {
  test('needs no right but to insert', async () => {
    const db = await server.createDatabase();
    await send(openPostgres({ connection_string: server.url(db) }), batch());
    const url = await createUser('writer', db, 'GRANT INSERT ON monitoring_events TO writer');
    const context = sinkContext();
    const sent = batch(3);
    const sink = openPostgres({ connection_string: url }, context);
    await send(sink, sent);
    await send(sink, sent);
    expect(await countOf(db, 'monitoring_events')).toBe(4);
    expect(context.lines).toEqual([]);
  });

  test('without a right to insert is waited for', async () => {
    const db = await server.createDatabase();
    await send(openPostgres({ connection_string: server.url(db) }), batch());
    const url = await createUser('reader', db, 'GRANT SELECT ON monitoring_events TO reader');
    const sink = openPostgres({ connection_string: url });
    await expect(send(sink, batch())).rejects.toMatchObject({ name: 'Error' });
    await server.query('GRANT INSERT ON monitoring_events TO reader', [], db);
    await send(sink, batch());
    expect(await countOf(db, 'monitoring_events')).toBe(2);
  });

  test('of another’s making takes the columns that it has, with a warning', async () => {
    const db = await server.createDatabase();
    await server.query(
      'CREATE TABLE monitoring_events (nr serial, time timestamptz, id text, source varchar(64), data json)',
      [],
      db,
    );
    const context = sinkContext();
    const sent = batch(1, {}, { a: 1 });
    const sink = openPostgres({ connection_string: server.url(db) }, context);
    await send(sink, sent);
    await send(sink, batch());
    const [row] = await server.query('SELECT * FROM monitoring_events', [], db);
    expect(row).toMatchObject({ nr: 1, id: ids(sent)[0], source: 'web', data: { a: 1 } });
    expect(context.lines.map(({ level, message }) => [level, message])).toEqual([
      ['warn', 'The table lacks columns: what belongs there is not stored'],
    ]);
  });

  test('that cannot hold messages is refused as a whole', async () => {
    const db = await server.createDatabase();
    await server.query('CREATE TABLE monitoring_events (id uuid)', [], db);
    await expect(send(openPostgres({ connection_string: server.url(db) }), batch(2))).rejects.toMatchObject({
      name: 'Permanent',
      scope: 'batch',
      message: 'the table "monitoring_events" lacks the columns "time" and "data"',
    });
  });

  test('with a column of another type is refused as a whole', async () => {
    const db = await server.createDatabase();
    await server.query('CREATE TABLE monitoring_events (time timestamptz, id point, data jsonb)', [], db);
    const sending = send(openPostgres({ connection_string: server.url(db) }), batch(2));
    await expect(sending).rejects.toMatchObject({ name: 'Permanent', scope: 'batch' });
    await expect(sending).rejects.toThrow('SQLSTATE 42804');
  });

  test('altered while data flows is looked at again', async () => {
    const db = await server.createDatabase();
    const sink = openPostgres({ connection_string: server.url(db) });
    await send(sink, batch());
    await server.query('ALTER TABLE monitoring_events DROP COLUMN extra', [], db);
    await send(sink, batch());
    expect(await countOf(db, 'monitoring_events')).toBe(2);
  });
});
