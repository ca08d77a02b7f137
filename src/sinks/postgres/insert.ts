import type { Message } from '../../message.ts';
import type { Column } from './columns.ts';
import { rowOf } from './row.ts';
import { quoted, type Table } from './table.ts';

/** A statement with its parameters. */
export interface Statement {
  readonly text: string;
  readonly values: readonly Buffer[];
}

/** Inserts messages as rows, those that are there already left alone. Throws `Permanent` if one can be no row. */
export function insertOf(table: Table, columns: readonly Column[], messages: readonly Message[]): Statement {
  const rows = messages.map(rowOf);
  return { text: textOf(table, columns), values: columns.map(({ encode }) => encode(rows)) };
}

function textOf({ sql }: Table, columns: readonly Column[]): string {
  const names = columns.map(({ name }) => quoted(name)).join(', ');
  const arrays = columns.map(({ type }, index) => `$${index + 1}::${type}[]`).join(', ');
  return `INSERT INTO ${sql} (${names}) SELECT * FROM unnest(${arrays}) ON CONFLICT DO NOTHING`;
}
