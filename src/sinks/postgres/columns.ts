import { float8Array, int8Array, jsonbArray, textArray, timestamptzArray, uuidArray } from './arrays.ts';
import type { Row } from './row.ts';

/** A column of the table: how it is made, and how rows' values for it are sent. */
export interface Column {
  readonly name: string;
  readonly type: 'timestamptz' | 'uuid' | 'text' | 'float8' | 'bigint' | 'jsonb';
  readonly required: boolean;
  readonly encode: (rows: readonly Row[]) => Buffer;
}

type TextKey = { [K in keyof Row]: Row[K] extends string | null ? K : never }[keyof Row];

const text = (name: string, key: TextKey, required = false): Column => ({
  name,
  type: 'text',
  required,
  encode: (rows) => textArray(rows.map((row) => row[key])),
});

/** The columns, in the order that the table is made with. */
export const COLUMNS: readonly Column[] = [
  {
    name: 'time',
    type: 'timestamptz',
    required: true,
    encode: (rows) => timestamptzArray(rows.map(({ timeMs }) => timeMs)),
  },
  { name: 'id', type: 'uuid', required: true, encode: (rows) => uuidArray(rows.map(({ id }) => id)) },
  text('source', 'source', true),
  text('type', 'type', true),
  text('level', 'level'),
  text('name', 'name'),
  {
    name: 'value',
    type: 'float8',
    required: false,
    encode: (rows) => float8Array(rows.map(({ value }) => value)),
  },
  text('job_id', 'jobId'),
  text('trace_id', 'traceId'),
  text('span_id', 'spanId'),
  text('session', 'session'),
  {
    name: 'seq',
    type: 'bigint',
    required: false,
    encode: (rows) => int8Array(rows.map(({ seq }) => seq)),
  },
  text('host', 'host'),
  {
    name: 'received_at',
    type: 'timestamptz',
    required: true,
    encode: (rows) => timestamptzArray(rows.map(({ receivedMs }) => receivedMs)),
  },
  {
    name: 'data',
    type: 'jsonb',
    required: true,
    encode: (rows) => jsonbArray(rows.map(({ data }) => data)),
  },
  {
    name: 'extra',
    type: 'jsonb',
    required: false,
    encode: (rows) => jsonbArray(rows.map(({ extra }) => extra)),
  },
];
