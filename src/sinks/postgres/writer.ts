import type { Log } from '../../context.ts';
import type { Message } from '../../message.ts';
import type { Column } from './columns.ts';
import { failureOf, isTableChanged } from './failure.ts';
import { insertOf } from './insert.ts';
import type { Pool } from './pool.ts';
import { prepareTable, type SchemaOptions } from './schema.ts';
import type { Table } from './table.ts';

/** Writes messages into tables. */
export interface Writer {
  /**
   * Inserts messages by one statement, after making the table if that is due. Rejects with what the lane is to make
   * of it: `Permanent`, or anything else, which is transient.
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
    const { text, values } = insertOf(table, columns, messages);
    const open = await pool();
    await open.run((session) => session.query(text, values), signal);
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
