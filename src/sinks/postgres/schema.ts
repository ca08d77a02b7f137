import type { Log } from '../../context.ts';
import { COLUMNS, type Column } from './columns.ts';
import type { Session } from './database.ts';
import { TableUnusable } from './failure.ts';
import { quoted, type Table } from './table.ts';
import { addTimescale, type TimescaleOptions } from './timescale.ts';

export interface SchemaOptions {
  /** Make the table if it is missing. */
  readonly create: boolean;
  readonly timescale: TimescaleOptions;
}

/** Names the lock that makes sidecars create tables one after the other. */
const LOCK = 0x73_63_61_72;

/**
 * The columns of ours that a table has; makes it first if it is missing and `create` says so. What is there already is
 * never changed, so that no right but that to insert is needed. Any number of sidecars may do this at once. Rejects if
 * the table is missing or lacks `time` or `data`.
 */
export async function prepareTable(
  session: Session,
  table: Table,
  options: SchemaOptions,
  log: Log,
): Promise<readonly Column[]> {
  let names = await columnsOf(session, table);
  if (names.size === 0 && options.create) {
    await createTable(session, table, options, log);
    names = await columnsOf(session, table);
  }
  const present = COLUMNS.filter(({ name }) => names.has(name));
  if (!(names.has('time') && names.has('data'))) throw new TableUnusable(table, names.size === 0);
  if (present.length < COLUMNS.length) {
    const missing = COLUMNS.filter(({ name }) => !names.has(name)).map(({ name }) => name);
    log.warn({ table: table.sql, missing }, 'The table lacks columns: what belongs there is not stored');
  }
  return present;
}

async function columnsOf(session: Session, { sql }: Table): Promise<ReadonlySet<unknown>> {
  const rows = await session.query(
    `SELECT attname::text AS name FROM pg_catalog.pg_attribute
     WHERE attrelid = to_regclass($1) AND attnum > 0 AND NOT attisdropped AND attgenerated = ''`,
    [sql],
  );
  return new Set(rows.map(({ name }) => name));
}

async function createTable(
  session: Session,
  table: Table,
  { timescale }: SchemaOptions,
  log: Log,
): Promise<void> {
  await session.query('BEGIN');
  try {
    // One lock for all tables: they are made once in their lives, and schemas are shared.
    await session.query('SELECT pg_advisory_xact_lock($1)', [LOCK]);
    if ((await columnsOf(session, table)).size === 0) {
      for (const statement of statementsOf(table)) await session.query(statement);
      const kind = await addTimescale(session, table, timescale, log);
      log.info({ table: table.sql, kind }, 'Table made');
    }
    await session.query('COMMIT');
  } catch (error) {
    await session.query('ROLLBACK').catch(() => {});
    throw error;
  }
}

function statementsOf({ schema, sql }: Table): readonly string[] {
  const columns = COLUMNS.map(
    ({ name, type, required }) => `${quoted(name)} ${type}${required ? ' NOT NULL' : ''}`,
  );
  return [
    ...(schema === undefined ? [] : [`CREATE SCHEMA IF NOT EXISTS ${quoted(schema)}`]),
    `CREATE TABLE ${sql} (${columns.join(', ')}, PRIMARY KEY (time, id))`,
    `CREATE INDEX ON ${sql} (source, time)`,
    `CREATE INDEX ON ${sql} (job_id, time) WHERE job_id IS NOT NULL`,
    `CREATE INDEX ON ${sql} (trace_id, time) WHERE trace_id IS NOT NULL`,
  ];
}
