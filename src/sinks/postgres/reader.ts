import { map, type Observable } from 'rxjs';
import type { Sink, Stored, StoredJobs, StoredJobsQuery, StoredStory } from '../../deliver/sink.ts';
import { keepDefined } from '../../flow/keep-defined.ts';
import type { JsonObject, Message } from '../../message.ts';
import { restored } from '../../restored.ts';
import { abortable } from '../tasks/abortable.ts';
import type { Fields, Session } from './database.ts';
import { failureOf } from './failure.ts';
import { columnText } from './json.ts';
import type { Pool } from './pool.ts';
import type { Table } from './table.ts';

/** Rows of one job or trace, and of each job of a page. */
const STORY_ROWS = 2000;
const SUMMARY_ROWS = 200;
/** JSON of one answer. */
const MAX_BYTES = 16 * 2 ** 20;
/** Rows that are counted of what is left off, so that no answer waits for a job of millions. */
const COUNTED_ROWS = 100_000;
/** Rows that a page of jobs looks at. */
const SCANNED_ROWS = 20_000;
const RECENT_ROWS = 50_000;

const COLUMNS =
  'time, id, source, type, job_id, trace_id, span_id, session, seq, host, received_at, data, extra';
const NEWEST = 'ORDER BY time DESC, id DESC';

/** What a postgres backend can be asked. */
export type Reader = Required<Pick<Sink, 'recent'>> & { readonly stored: Stored };

/** Reads the tables over a pool that is opened by its first use. A table that is not there has no rows. */
export function createReader(pool: () => Promise<Pool>, tables: () => readonly Table[]): Reader {
  const read = <T>(task: (session: Session, from: string) => Promise<T>, none: T): Observable<T> =>
    abortable(async (abort) => {
      try {
        const open = await pool();
        return await open.run(async (session) => {
          const from = await sourceOf(session, tables());
          return from === undefined ? none : task(session, from);
        }, abort.signal());
      } catch (error) {
        throw failureOf(error);
      }
    }).pipe(keepDefined());
  return {
    stored: {
      story: (kind, id) =>
        read((session, from) => readStory(session, from, `${kind}_id`, columnText(id)), NO_STORY),
      jobs: (query) => read((session, from) => readJobs(session, from, query), { jobs: new Map() }),
    },
    recent: ({ fromMs, toMs, maxBytes }) =>
      read(
        (session, from) =>
          session.query(sized(`SELECT * FROM ${from} WHERE time >= $2 AND time < $3 ${NEWEST} LIMIT $4`), [
            maxBytes,
            new Date(fromMs),
            new Date(toMs),
            RECENT_ROWS,
          ]),
        [],
      ).pipe(map((rows) => messagesOf(rows).filter(({ receivedMs }) => receivedMs < toMs))),
  };
}

const NO_STORY: StoredStory = { messages: [], leftOff: 0 };

/** What to select from; `undefined` if there is no table yet. */
async function sourceOf(session: Session, tables: readonly Table[]): Promise<string | undefined> {
  const found = await session.query(
    'SELECT name FROM unnest($1::text[]) AS name WHERE to_regclass(name) IS NOT NULL',
    [tables.map(({ sql }) => sql)],
  );
  if (found.length === 0) return undefined;
  return `(${found.map(({ name }) => `SELECT ${COLUMNS} FROM ${String(name)}`).join(' UNION ALL ')}) AS kept`;
}

/** The first rows of `newest`, as many as have `$1` bytes of data. */
const sized = (newest: string) =>
  `SELECT * FROM (SELECT *, sum(octet_length(data::text)) OVER (${NEWEST}) AS bytes FROM (${newest}) AS newest) AS sized WHERE bytes <= $1`;

async function readStory(session: Session, from: string, column: string, id: string): Promise<StoredStory> {
  const newest = `SELECT * FROM ${from} WHERE ${column} = $2 ${NEWEST} LIMIT $3`;
  const rows = await session.query(sized(newest), [MAX_BYTES, id, STORY_ROWS]);
  const [all] = await session.query(
    `SELECT count(*)::int AS rows FROM (SELECT 1 FROM ${from} WHERE ${column} = $1 LIMIT $2) AS counted`,
    [id, COUNTED_ROWS],
  );
  return storyOf(rows, Number(all?.rows));
}

async function readJobs(
  session: Session,
  from: string,
  { limit, after, except, sinceMs }: StoredJobsQuery,
): Promise<StoredJobs> {
  const [time, id] = after?.split('/') ?? ['infinity', LAST_ID];
  const scanned = `SELECT job_id, time, id FROM ${from}
    WHERE job_id IS NOT NULL AND job_id <> ALL($1::text[]) AND (time, id) < ($2::timestamptz, $3::uuid)
      AND time >= $4::timestamptz ${NEWEST} LIMIT ${SCANNED_ROWS}`;
  const bounds = [except.map(columnText), time, id, sinceMs === undefined ? '-infinity' : new Date(sinceMs)];
  // A subquery a row, not a join: the server stops at the last row that is wanted.
  const last = await session.query(
    `SELECT job_id, ${PLACE} AS place FROM (${scanned}) AS scanned
     WHERE id = (SELECT id FROM ${from} WHERE job_id = scanned.job_id ${NEWEST} LIMIT 1) ${NEWEST} LIMIT $5`,
    [...bounds, limit],
  );
  const ids = last.map((row) => String(row.job_id));
  const next =
    last.length === limit
      ? last.at(-1)?.place
      : (
          await session.query(
            `SELECT ${PLACE} AS place FROM (${scanned}) AS scanned OFFSET ${SCANNED_ROWS - 1}`,
            bounds,
          )
        )[0]?.place;
  const jobs = await readSummaries(session, from, ids);
  return { jobs, ...(next !== undefined && { next: String(next) }) };
}

const LAST_ID = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
/** Of a row in the order of all, as text. */
const PLACE = `to_char(time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') || '/' || id`;

async function readSummaries(
  session: Session,
  from: string,
  ids: readonly string[],
): Promise<ReadonlyMap<string, StoredStory>> {
  const newest = `SELECT newest.*, counted.rows FROM unnest($2::text[]) AS wanted(job)
    CROSS JOIN LATERAL (SELECT * FROM ${from} WHERE job_id = wanted.job ${NEWEST} LIMIT ${SUMMARY_ROWS}) AS newest
    CROSS JOIN LATERAL (SELECT count(*)::int AS rows FROM
      (SELECT 1 FROM ${from} WHERE job_id = wanted.job LIMIT ${COUNTED_ROWS}) AS each) AS counted`;
  const rows = await session.query(sized(newest), [MAX_BYTES, ids]);
  const byJob = new Map<unknown, Fields[]>(ids.map((id) => [id, []]));
  for (const row of rows) byJob.get(row.job_id)?.push(row);
  return new Map(
    ids.flatMap((id) => {
      const own = byJob.get(id) ?? [];
      return own.length === 0 ? [] : [[id, storyOf(own, Number(own[0]?.rows))] as const];
    }),
  );
}

const storyOf = (rows: readonly Fields[], all: number): StoredStory => ({
  messages: messagesOf(rows),
  leftOff: Math.max(0, all - rows.length),
});

/** In order of arrival; what is no message of ours is left out. */
const messagesOf = (rows: readonly Fields[]): readonly Message[] =>
  rows
    .flatMap((row) => restored(recordOf(row)) ?? [])
    .sort((a, b) => a.receivedMs - b.receivedMs || (a.id < b.id ? -1 : 1));

function recordOf({ time, received_at, seq, extra, ...row }: Fields): JsonObject {
  const { id, source, type, job_id, trace_id, span_id, session, host, data } = row;
  const texts = { id, source, type, job_id, trace_id, span_id, session, host };
  return {
    ...(extra as JsonObject | null),
    ...(Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== null)) as JsonObject),
    timestamp: timeOf(time),
    received_at: timeOf(received_at),
    ...(seq !== null && { seq: Number(seq) }),
    data: data as JsonObject,
  };
}

/** '' for what JavaScript has no time for, such as `infinity`. */
const timeOf = (time: unknown) =>
  time instanceof Date && !Number.isNaN(time.getTime()) ? time.toISOString() : '';
