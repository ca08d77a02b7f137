import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import pg from 'pg';
import { asyncScheduler, lastValueFrom } from 'rxjs';
import { createBatch } from '../../src/batch.ts';
import { memoryDeadLetters } from '../../src/deliver/dead-letters.ts';
import { openLane } from '../../src/deliver/lane.ts';
import type { Outcome } from '../../src/deliver/outcome.ts';
import type { Sink } from '../../src/deliver/sink.ts';
import { failureOf } from '../../src/sinks/postgres/failure.ts';
import { freePort } from '../processes.ts';
import { openPostgres, type Server, startServer } from './postgres-server.ts';
import { afterwards, batch, eventually, ids, message, send, sinkContext } from './support.ts';

let server: Server;
beforeAll(async () => {
  server = await startServer(['deadlock_timeout=100ms']);
}, 60_000);
afterAll(() => server.remove());

const idsOf = async (db: string) =>
  (await server.query('SELECT id FROM monitoring_events ORDER BY id', [], db)).map(({ id }) => id);

/** A lane in real time, and what became of its messages. */
function startLane(sink: Sink) {
  const deadLetters = memoryDeadLetters();
  const outcomes: Outcome[] = [];
  const options = {
    queueMaxBytes: 2 ** 30,
    concurrency: 4,
    sendTimeoutMs: 30_000,
    retry: { initialMs: 10, maxMs: 100, maxAttempts: Number.POSITIVE_INFINITY },
    breaker: { failures: 5, resetAfterMs: 100 },
  };
  const lane = openLane('db', sink, options, { ...sinkContext(asyncScheduler), deadLetters });
  lane.outcome$.subscribe((outcome) => outcomes.push(outcome));
  afterwards(() => lastValueFrom(lane.close(5000), { defaultValue: undefined }));
  const target = sink.address({}).target(message());
  return {
    lane,
    deadLetters,
    offer: (offered: ReturnType<typeof batch>) =>
      lane.offer({ kind: 'delivery', backend: 'db', batch: offered, target, priority: 0, whenFull: 'block' }),
    /** Ids of the messages that ended so, in order. */
    ended: (ending: Outcome['ending']) =>
      outcomes
        .filter((outcome) => outcome.ending === ending)
        .flatMap(({ messages }) => messages.map(({ id }) => id))
        .sort(),
  };
}

/** Counts the statements that insert, those that fail included: a sequence is not rolled back. */
const COUNT_STATEMENTS = `
  CREATE SEQUENCE statements;
  CREATE FUNCTION counted() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM nextval('statements'); RETURN NULL; END $$;
  CREATE TRIGGER counted BEFORE INSERT ON monitoring_events FOR EACH STATEMENT EXECUTE FUNCTION counted();`;

const POISONS = [
  ['a constraint', "ALTER TABLE monitoring_events ADD CHECK (data->>'poison' IS NULL)"],
  [
    'a trigger',
    `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN IF NEW.data ? 'poison' THEN RAISE EXCEPTION 'no poison here'; END IF; RETURN NEW; END $$;
     CREATE TRIGGER refuse BEFORE INSERT ON monitoring_events FOR EACH ROW EXECUTE FUNCTION refuse()`,
  ],
  ['a unique index of too long a text', "CREATE INDEX ON monitoring_events ((data->>'poison'))"],
] as const;

describe('one bad row of 5,000', () => {
  test.each(POISONS)(
    'by %s: 4,999 rows, 1 dead letter, at most 2·⌈log₂ n⌉ + 1 statements',
    async (_, sql) => {
      const db = await server.createDatabase();
      const sink = openPostgres({ connection_string: server.url(db) });
      await send(sink, batch());
      await server.query(`TRUNCATE monitoring_events; ${sql}; ${COUNT_STATEMENTS}`, [], db);
      const at = Math.floor(Math.random() * 5000);
      const random = Array.from({ length: 4000 }, () => Math.random()).join('');
      const messages = Array.from({ length: 5000 }, (_, n) =>
        message({}, n === at ? { poison: random } : { n }),
      );
      const { offer, ended, deadLetters } = startLane(sink);
      offer(createBatch(messages, 1_000_000, 'count'));
      await eventually(() => expect(ended('dead_lettered')).toEqual([messages[at]!.id]));
      await eventually(() => expect(ended('delivered')).toHaveLength(4999));
      expect(await idsOf(db)).toEqual(messages.map(({ id }) => id).toSpliced(at, 1));
      const [{ n }] = await server.query("SELECT nextval('statements')::int - 1 AS n", [], db);
      expect(n).toBeLessThanOrEqual(2 * Math.ceil(Math.log2(5000)) + 1);
      expect(deadLetters.letters).toHaveLength(1);
    },
  );
});

describe('what the server says', () => {
  const said = (code: string, routine = 'x') =>
    failureOf(Object.assign(new Error('m'), { code, routine, severity: 'ERROR' }));

  test.each([
    '08006',
    '25006',
    '28P01',
    '3D000',
    '3F000',
    '40001',
    '40P01',
    '42501',
    '42P01',
    '53100',
    '53300',
    '55P03',
    '57014',
    '57P01',
    '57P03',
    '58030',
    'XX000',
  ])('%s passes', (code) => {
    expect(said(code)).toMatchObject({ name: 'Error', message: `m (SQLSTATE ${code})` });
  });

  test.each(['21000', '22003', '22P05', '23505', '23514', '54000', 'P0001'])('%s is of a row', (code) => {
    expect(said(code)).toMatchObject({ name: 'Permanent', scope: 'message' });
  });

  test.each(['0A000', '42703', '42804', '42P10'])('%s is of the table', (code) => {
    expect(said(code)).toMatchObject({ name: 'Permanent', scope: 'batch' });
  });

  test('a policy of row-level security forbids a row, not the table', async () => {
    const db = await server.createDatabase();
    await send(openPostgres({ connection_string: server.url(db) }), batch());
    await server.query(
      `CREATE USER tenant PASSWORD 'tenant'; GRANT INSERT ON monitoring_events TO tenant;
       ALTER TABLE monitoring_events ENABLE ROW LEVEL SECURITY;
       CREATE POLICY own ON monitoring_events FOR INSERT WITH CHECK (source = 'mine')`,
      [],
      db,
    );
    const sink = openPostgres({ connection_string: server.url(db, 'tenant') });
    await expect(send(sink, batch(1, { source: 'other' }))).rejects.toMatchObject({
      name: 'Permanent',
      scope: 'message',
    });
    // Many rows would be copied, which such a table does not take.
    await send(sink, batch(1500, { source: 'mine' }));
    expect(await idsOf(db)).toHaveLength(1501);
  });

  test('a statement that takes too long is tried again', async () => {
    const db = await server.createDatabase();
    const sink = openPostgres({ connection_string: server.url(db), statement_timeout: '200ms' });
    await send(sink, batch());
    await server.query(
      `CREATE FUNCTION nap() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(60); RETURN NEW; END $$;
       CREATE TRIGGER nap BEFORE INSERT ON monitoring_events FOR EACH ROW EXECUTE FUNCTION nap()`,
      [],
      db,
    );
    const sending = send(sink, batch());
    await expect(sending).rejects.toMatchObject({ name: 'Error' });
    await expect(sending).rejects.toThrow('SQLSTATE 57014');
  });

  test('of two that block each other the victim is tried again; both arrive', async () => {
    const db = await server.createDatabase();
    const sink = openPostgres({ connection_string: server.url(db) });
    await send(sink, batch());
    // Each statement takes the two locks in its own order; it waits for the other to have its first, which may be over.
    await server.query(
      `TRUNCATE monitoring_events;
       CREATE FUNCTION cross_locks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
         PERFORM pg_advisory_xact_lock((NEW.data->>'first')::int);
         FOR turn IN 1..300 LOOP
           EXIT WHEN (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted) > 1;
           PERFORM pg_sleep(0.01);
         END LOOP;
         PERFORM pg_advisory_xact_lock((NEW.data->>'second')::int); RETURN NEW; END $$;
       CREATE TRIGGER cross_locks BEFORE INSERT ON monitoring_events FOR EACH ROW EXECUTE FUNCTION cross_locks()`,
      [],
      db,
    );
    const both = [batch(1, {}, { first: 1, second: 2 }), batch(1, {}, { first: 2, second: 1 })];
    const results = await Promise.allSettled(both.map((one) => send(sink, one)));
    const errors = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []));
    expect(errors.map(({ name, message }) => [name, message])).toEqual([
      ['Error', 'deadlock detected (SQLSTATE 40P01)'],
    ]);
    const { offer, ended } = startLane(sink);
    for (const one of both) offer(one);
    await eventually(() => expect(ended('delivered')).toEqual(ids(...both)));
    expect(await idsOf(db)).toEqual(ids(...both));
  });
});

test('a locked table holds up no other, whatever comes for it', async () => {
  const db = await server.createDatabase();
  const sink = openPostgres({ connection_string: server.url(db) });
  const [locked, free] = ['locked', 'free'].map((table) => sink.address({ table }).target(message()));
  const { lane, ended } = startLane(sink);
  const offer = (target = locked!) => {
    const offered = batch();
    lane.offer({ kind: 'delivery', backend: 'db', batch: offered, target, priority: 0, whenFull: 'block' });
    return offered;
  };
  const before = [offer(locked), offer(free)];
  await eventually(() => expect(ended('delivered')).toEqual(ids(...before)));
  const locker = new pg.Client({ connectionString: server.url(db) });
  afterwards(() => locker.end());
  await locker.connect();
  await locker.query('BEGIN; LOCK TABLE locked IN ACCESS EXCLUSIVE MODE');
  const waiting = 8;
  for (let n = 0; n < waiting; n++) {
    offer(locked);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  before.push(offer(free));
  await eventually(() => expect(ended('delivered')).toEqual(ids(...before)));
  await locker.query('COMMIT');
  await eventually(() => expect(ended('delivered')).toHaveLength(before.length + waiting));
});

describe('a server that', () => {
  test('cannot be reached is waited for, and no secret is said', async () => {
    const port = await freePort();
    const sink = openPostgres({
      connection_string: `postgresql://u:s3cr3t@127.0.0.1:${port}/x?password=s3cr3t`,
    });
    const error = await send(sink, batch()).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ name: 'Error', message: `connect ECONNREFUSED 127.0.0.1:${port}` });
    expect(JSON.stringify([error, (error as Error).stack, (error as Error).cause])).not.toContain('s3cr3t');
  });

  test('refuses the password is waited for, and no secret is said', async () => {
    const sink = openPostgres({
      connection_string: server.url().replace('postgres:postgres@', 'postgres:s3cr3t@'),
    });
    const error = await send(sink, batch()).catch((reason: unknown) => reason);
    expect((error as Error).message).toBe(
      'password authentication failed for user "postgres" (SQLSTATE 28P01)',
    );
    expect(JSON.stringify([error, (error as Error).stack])).not.toContain('s3cr3t');
  });

  test('asks for a password that is not there is waited for, and the error says so', async () => {
    const sink = openPostgres({
      connection_string: server.url().replace('postgres:postgres@', 'postgres:@'),
    });
    await expect(send(sink, batch())).rejects.toThrow(
      'the server asks for a password, and `connection_string` has none',
    );
  });

  test('lets a session only read gets the rows by the next one that may write', async () => {
    const db = await server.createDatabase();
    await server.query(`ALTER DATABASE ${db} SET default_transaction_read_only = on`);
    const sink = openPostgres({ connection_string: server.url(db), create_table: false, pool_size: 1 });
    await server.query(
      `BEGIN READ WRITE; CREATE TABLE monitoring_events (id text, time timestamptz, source text, data jsonb); COMMIT`,
      [],
      db,
    );
    const waiting = batch();
    await expect(send(sink, waiting)).rejects.toThrow('SQLSTATE 25006');
    await server.query(`ALTER DATABASE ${db} RESET default_transaction_read_only`);
    await send(sink, waiting);
    expect(await idsOf(db)).toEqual(ids(waiting));
  });

  test('is killed and started again under load gets every row once', async () => {
    const db = await server.createDatabase();
    const sink = openPostgres({ connection_string: server.url(db), connect_timeout: '1s' });
    const { lane, offer, ended } = startLane(sink);
    const sent: string[] = [];
    const flood = async (batches: number) => {
      for (let n = 0; n < batches; n++) {
        const one = batch(100);
        sent.push(...ids(one));
        offer(one);
        if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      }
    };
    for (let round = 1; round <= 2; round++) {
      const before = sent.length;
      await flood(100);
      await eventually(() => expect(ended('delivered').length).toBeGreaterThan(before));
      const killed = server.kill();
      await flood(50);
      await killed;
      await eventually(async () => {
        await flood(1);
        expect(lane.stats().lastError).not.toBe('');
      });
      await server.start();
    }
    await eventually(() => expect(ended('delivered')).toHaveLength(sent.length));
    expect(await idsOf(db)).toEqual(sent.sort());
    expect(ended('dead_lettered')).toEqual([]);
  }, 120_000);
});
