import type { Log } from '../../context.ts';
import type { Message } from '../../message.ts';
import type { Column } from './columns.ts';
import { failureOf, isForInsert, isTableChanged } from './failure.ts';
import { copyOf, insertOf } from './insert.ts';
import type { Pool } from './pool.ts';
import { rowOf } from './row.ts';
import { prepareTable, type SchemaOptions } from './schema.ts';
import type { Table } from './table.ts';

/**
 * From so many rows on they are copied, which costs the server a third less than an insert; below, an insert has the
 * shorter way.
 */
const COPIED_ROWS = 1000;

/** Writes messages into tables. */
export interface Writer {
  /**
   * Inserts messages, all or none, those that are there already left alone, after making the table if that is due.
   * One statement, and one more for many messages of which some are there. Rejects with what the lane is to make of it: `Permanent`, or anything else, which is transient.
   */
  write(table: Table, messages: readonly Message[], signal: AbortSignal): Promise<void>;
  /** Ends what it does on its own, for no send in particular. */
  close(): void;
}

/** A writer over a pool that is opened by its first use. */
export function createWriter(pool: () => Promise<Pool>, options: SchemaOptions, log: Log): Writer {
  const closing = new AbortController();
  /** The columns of tables that are ready, by their SQL, and of those being prepared. */
  const prepared = new Map<string, Promise<readonly Column[]>>();

  const prepare = async (table: Table) => {
    const open = await pool();
    return open.run((session) => prepareTable(session, table, options, log), closing.signal);
  };

  /** Single flight: sends that come meanwhile wait for the same preparation, which outlives any of them. */
  const columnsOf = (table: Table) => {
    let columns = prepared.get(table.sql);
    if (columns === undefined) {
      columns = prepare(table);
      columns.catch(() => prepared.delete(table.sql));
      prepared.set(table.sql, columns);
    }
    return columns;
  };

  const insert = async (table: Table, messages: readonly Message[], signal: AbortSignal) => {
    const columns = await columnsOf(table);
    signal.throwIfAborted();
    const rows = messages.map(rowOf);
    const open = await pool();
    if (rows.length >= COPIED_ROWS) {
      const copy = copyOf(table, columns, rows);
      try {
        return await open.run((connection) => connection.copy(copy.text, copy.rows), signal);
      } catch (error) {
        if (!isForInsert(error)) throw error;
      }
    }
    const { text, values } = insertOf(table, columns, rows);
    await open.run((connection) => connection.query(text, values), signal);
  };

  return {
    write: async (table, messages, signal) => {
      try {
        try {
          await insert(table, messages, signal);
        } catch (error) {
          if (!isTableChanged(error)) throw error;
          // Dropped or altered under us: looked at, or made, once more.
          prepared.delete(table.sql);
          await insert(table, messages, signal);
        }
      } catch (error) {
        throw failureOf(error);
      }
    },
    close: () => closing.abort(),
  };
}
