import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { Sink } from '../../src/deliver/sink.ts';
import postgres from '../../src/sinks/postgres.ts';
import { type Server, startServer } from './postgres-server.ts';
import { afterwards, batch, close, message, send, sinkContext } from './support.ts';
import { createBatch } from '../../src/batch.ts';

let server: Server;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server.remove());

export function openPostgres(options: object, context = sinkContext()): Sink {
  const sink = postgres.open!(postgres.options.parse(options), context);
  afterwards(() => close(sink));
  return sink;
}

test('rows', async () => {
  const db = await server.createDatabase();
  const context = sinkContext();
  const sink = openPostgres({ connection_string: server.url(db) }, context);
  await send(sink, batch(3, {}, { message: 'a' }));
  const rows = await server.query('select * from monitoring_events', [], db);
  console.log(rows, context.lines);
  expect(rows).toHaveLength(3);
});
