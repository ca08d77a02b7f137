import * as binary from './binary.ts';
import type { Row } from './row.ts';

/** A column of the table: how it is made, and how a row's value for it is sent. */
export interface Column {
  readonly name: string;
  readonly type: keyof typeof binary.TYPE_IDS;
  readonly required: boolean;
  /** Writes the value, in binary; returns where the next begins. */
  readonly put: (buffer: Buffer, row: Row, at: number) => number;
  /** Bytes that `put` writes at most. */
  readonly most: (row: Row) => number;
}

/** The columns, in the order that the table is made with. */
export const COLUMNS: readonly Column[] = [
  column('time', 'timestamptz', ({ timeMs }) => timeMs, binary.putTimestamptz, true),
  column('id', 'uuid', ({ id }) => id, binary.putUuid, true),
  column('source', 'text', ({ source }) => source, binary.putText, true),
  column('type', 'text', ({ type }) => type, binary.putText, true),
  column('level', 'text', ({ level }) => level, binary.putText),
  column('name', 'text', ({ name }) => name, binary.putText),
  column('value', 'float8', ({ value }) => value, binary.putFloat8),
  column('job_id', 'text', ({ jobId }) => jobId, binary.putText),
  column('trace_id', 'text', ({ traceId }) => traceId, binary.putText),
  column('span_id', 'text', ({ spanId }) => spanId, binary.putText),
  column('session', 'text', ({ session }) => session, binary.putText),
  column('seq', 'int8', ({ seq }) => seq, binary.putInt8),
  column('host', 'text', ({ host }) => host, binary.putText),
  column('received_at', 'timestamptz', ({ receivedMs }) => receivedMs, binary.putTimestamptz, true),
  column('data', 'jsonb', ({ data }) => data, binary.putJsonb, true),
  column('extra', 'jsonb', ({ extra }) => extra, binary.putJsonb),
];

/** Most bytes of UTF-8 that a UTF-16 code unit may take. */
const BYTES_PER_UNIT = 3;
/** Of a length, and a number or the version of a `jsonb`. */
const FIXED_BYTES = 12;

function column<V extends string | number>(
  name: string,
  type: Column['type'],
  read: (row: Row) => V | null,
  put: (buffer: Buffer, value: V, at: number) => number,
  required = false,
): Column {
  return {
    name,
    type,
    required,
    put: (buffer, row, at) => {
      const value = read(row);
      return value === null ? binary.putNull(buffer, at) : put(buffer, value, at);
    },
    most: (row) => {
      const value = read(row);
      return typeof value === 'string' ? FIXED_BYTES + BYTES_PER_UNIT * value.length : FIXED_BYTES;
    },
  };
}
