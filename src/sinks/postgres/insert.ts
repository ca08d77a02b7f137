import { TYPE_IDS } from './binary.ts';
import type { Column } from './columns.ts';
import type { Row } from './row.ts';
import { quoted, type Table } from './table.ts';

/** An INSERT with an array for each column. */
export interface Insert {
  readonly text: string;
  readonly values: readonly Buffer[];
}

/** A COPY with its rows. */
export interface Copy {
  readonly text: string;
  readonly rows: Buffer;
}

/** Inserts rows by one statement, those that are there already left alone. */
export function insertOf(table: Table, columns: readonly Column[], rows: readonly Row[]): Insert {
  // Not FROM unnest($1, $2, …), which would keep all rows aside first; both go through the arrays side by side.
  const arrays = columns.map(({ type }, index) => `unnest($${index + 1}::${type}[])`).join(', ');
  return {
    text: `INSERT INTO ${table.sql} (${namesOf(columns)}) SELECT ${arrays} ON CONFLICT DO NOTHING`,
    values: columns.map((column) => arrayOf(column, rows)),
  };
}

/** Copies rows by one statement, all or none: it fails if one of them is there already. */
export function copyOf(table: Table, columns: readonly Column[], rows: readonly Row[]): Copy {
  return {
    text: `COPY ${table.sql} (${namesOf(columns)}) FROM STDIN (FORMAT binary)`,
    rows: tuplesOf(columns, rows),
  };
}

const namesOf = (columns: readonly Column[]) => columns.map(({ name }) => quoted(name)).join(', ');

const ARRAY_HEADER_BYTES = 20;

/** One dimension from 1 on; nulls are allowed. */
function arrayOf({ type, put, most }: Column, rows: readonly Row[]): Buffer {
  const buffer = Buffer.allocUnsafe(rows.reduce((sum, row) => sum + most(row), ARRAY_HEADER_BYTES));
  buffer.writeInt32BE(1, 0);
  buffer.writeInt32BE(1, 4);
  buffer.writeUInt32BE(TYPE_IDS[type], 8);
  buffer.writeInt32BE(rows.length, 12);
  let at = buffer.writeInt32BE(1, 16);
  for (const row of rows) at = put(buffer, row, at);
  return buffer.subarray(0, at);
}

/** The signature, no flags, no extension. */
const COPY_HEADER = Buffer.concat([Buffer.from('PGCOPY\n\xff\r\n\0', 'latin1'), Buffer.alloc(8)]);
const COPY_END = -1;

function tuplesOf(columns: readonly Column[], rows: readonly Row[]): Buffer {
  let most = COPY_HEADER.length + 2 * (rows.length + 1);
  for (const row of rows) for (const column of columns) most += column.most(row);
  const buffer = Buffer.allocUnsafe(most);
  let at = COPY_HEADER.copy(buffer);
  for (const row of rows) {
    at = buffer.writeInt16BE(columns.length, at);
    for (const column of columns) at = column.put(buffer, row, at);
  }
  at = buffer.writeInt16BE(COPY_END, at);
  return buffer.subarray(0, at);
}
