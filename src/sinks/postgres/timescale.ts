import type { Log } from '../../context.ts';
import type { Session } from './database.ts';
import { errorTextOf } from './failure.ts';
import { quoted, siblingOf, type Table } from './table.ts';

/** What is set up where TimescaleDB is installed; durations in milliseconds. */
export interface TimescaleOptions {
  readonly chunk_interval?: number | undefined;
  readonly compress_after?: number | undefined;
  readonly retention?: number | undefined;
  /** Keep sums of the metrics by minute. */
  readonly metrics_view: boolean;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** The sums are brought up to date for metrics that come so late. */
const MAX_LATE_MS = DAY_MS;

/**
 * Makes a new table a hypertable with the policies asked for; without the extension it stays a plain table. What the
 * server's licence or rights do not allow is left out with a warning. To be run inside the transaction that made the
 * table.
 */
export async function addTimescale(
  session: Session,
  table: Table,
  options: TimescaleOptions,
  log: Log,
): Promise<'hypertable' | 'table'> {
  const [extension] = await session.query(
    `SELECT nspname::text AS schema FROM pg_catalog.pg_extension
     JOIN pg_catalog.pg_namespace n ON n.oid = extnamespace WHERE extname = 'timescaledb'`,
  );
  if (extension === undefined) {
    if (options.retention !== undefined || options.compress_after !== undefined) {
      log.warn({ table: table.sql }, 'TimescaleDB is not installed: nothing is compressed or dropped by age');
    }
    return 'table';
  }
  const steps = stepsOf(table, quoted(String(extension.schema)), options);
  for (const [what, statements] of steps) {
    if (await attempt(session, table, what, statements, log)) continue;
    // All others are about the hypertable.
    if (what === 'hypertable') return 'table';
  }
  return 'hypertable';
}

type Step = readonly [what: string, statements: readonly string[]];

function stepsOf(table: Table, schema: string, options: TimescaleOptions): readonly Step[] {
  const { chunk_interval, compress_after, retention, metrics_view } = options;
  const name = literal(table.sql);
  const chunk = chunk_interval === undefined ? '' : `, chunk_time_interval => ${interval(chunk_interval)}`;
  const steps: Step[] = [
    [
      'hypertable',
      [`SELECT ${schema}.create_hypertable(${name}, 'time', create_default_indexes => false${chunk})`],
    ],
  ];
  if (metrics_view) steps.push(['view of the metrics', viewOf(table, schema, retention)]);
  if (compress_after !== undefined) {
    steps.push([
      'compression',
      [
        `ALTER TABLE ${table.sql} SET (timescaledb.compress, timescaledb.compress_segmentby = 'source',
           timescaledb.compress_orderby = 'time DESC, id')`,
        `SELECT ${schema}.add_compression_policy(${name}, ${interval(compress_after)}, if_not_exists => true)`,
      ],
    ]);
  }
  if (retention !== undefined) {
    steps.push([
      'retention',
      [`SELECT ${schema}.add_retention_policy(${name}, ${interval(retention)}, if_not_exists => true)`],
    ]);
  }
  return steps;
}

/** A continuous aggregate, `<table>_metrics_1m`, which outlives the rows that it sums up. */
function viewOf(table: Table, schema: string, retentionMs = Number.POSITIVE_INFINITY): readonly string[] {
  const view = siblingOf(table, '_metrics_1m');
  // What retention dropped must not be summed up again, as nothing.
  const lateMs = Math.min(MAX_LATE_MS, retentionMs);
  return [
    `CREATE MATERIALIZED VIEW ${view.sql}
       WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
     SELECT ${schema}.time_bucket(INTERVAL '1 minute', time) AS time, source, name,
       count(*) AS count, sum(value) AS sum, min(value) AS min, max(value) AS max,
       ${schema}.last(value, time) AS last
     FROM ${table.sql} WHERE type = 'metric' AND name IS NOT NULL AND value IS NOT NULL
     GROUP BY 1, 2, 3 WITH NO DATA`,
    `SELECT ${schema}.add_continuous_aggregate_policy(${literal(view.sql)}, start_offset => ${interval(lateMs)},
       end_offset => ${interval(MINUTE_MS)}, schedule_interval => ${interval(MINUTE_MS)}, if_not_exists => true)`,
  ];
}

/** Runs the statements of a step, all or none; whether they succeeded. */
async function attempt(
  session: Session,
  { sql }: Table,
  what: string,
  statements: readonly string[],
  log: Log,
): Promise<boolean> {
  await session.query('SAVEPOINT step');
  try {
    for (const statement of statements) await session.query(statement);
    await session.query('RELEASE SAVEPOINT step');
    return true;
  } catch (error) {
    await session.query('ROLLBACK TO SAVEPOINT step');
    log.warn({ table: sql, what, error: errorTextOf(error) }, 'TimescaleDB refuses a part of the table');
    return false;
  }
}

const literal = (text: string) => `'${text.replaceAll("'", "''")}'`;

const interval = (ms: number) => `INTERVAL '${ms} milliseconds'`;
