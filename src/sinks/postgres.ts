import { z } from 'zod';
import { duration } from '../config/units.ts';
import type { SinkDefinition } from '../deliver/sink.ts';

const MAX_IDENTIFIER_BYTES = 63;

const table = z
  .string()
  .refine((name) => isTable(name), {
    error: `expected a table as name or schema.name, each 1 to ${MAX_IDENTIFIER_BYTES} bytes`,
  })
  .describe('Table, or schema.table. Names are quoted, so upper case counts.');

const options = z.strictObject({
  connection_string: z
    .url({ protocol: /^postgres(ql)?$/, error: 'expected postgresql://user:password@host:5432/database' })
    .describe(
      'Where the database is and who signs in. The password is best taken from an environment variable or a file.',
    ),
  table: table.default('monitoring_events'),
  create_table: z
    .boolean()
    .default(true)
    .describe('Make the table on first use if it is missing; a hypertable where TimescaleDB is installed.'),
  timescale: z
    .strictObject({
      chunk_interval: duration({ min: '1m', max: '365d' }).optional().describe('Time that one chunk spans.'),
      compress_after: duration({ min: '1m', max: '3650d' })
        .optional()
        .describe('Age at which chunks are compressed.'),
      retention: duration({ min: '1h', max: '36500d' })
        .optional()
        .describe('Age at which chunks are dropped.'),
    })
    .optional()
    .describe(
      'Policies set when the sidecar makes the hypertable; absent: the defaults of TimescaleDB, nothing dropped.',
    ),
  pool_size: z.int().min(1).max(100).default(4).describe('Connections at most.'),
  connect_timeout: duration().prefault('5s').describe('Time to connect.'),
  idle_timeout: duration().prefault('30s').describe('An idle connection is closed after this time.'),
  statement_timeout: duration().prefault('30s').describe('The server ends a statement after this time.'),
  tls: z
    .strictObject({
      ca_file: z
        .string()
        .min(1)
        .optional()
        .describe('Certificates to trust, PEM; absent: those of the system.'),
      cert_file: z.string().min(1).optional().describe('Client certificate, PEM.'),
      key_file: z.string().min(1).optional().describe('Its key, PEM.'),
      verify: z.boolean().default(true).describe('Check the certificate and name of the server.'),
    })
    .refine((tls) => (tls.cert_file === undefined) === (tls.key_file === undefined), {
      error: '`cert_file` and `key_file` go together',
    })
    .optional()
    .describe('Absent: what `sslmode` in the connection string says.'),
  application_name: z
    .string()
    .min(1)
    .max(MAX_IDENTIFIER_BYTES)
    .default('monitoring-sidecar')
    .describe('Shown in pg_stat_activity.'),
});

const overrides = z.strictObject({ table: table.optional() });

function isTable(name: string): boolean {
  const parts = name.split('.');
  return parts.length <= 2 && parts.every(isIdentifier);
}

function isIdentifier(name: string): boolean {
  return name !== '' && !name.includes('\0') && Buffer.byteLength(name) <= MAX_IDENTIFIER_BYTES;
}

/** PostgreSQL and TimescaleDB: one row a message. */
const postgres: SinkDefinition<z.output<typeof options>> = { options, overrides };
export default postgres;
