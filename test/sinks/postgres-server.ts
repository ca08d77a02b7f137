import type { Sink, SinkContext } from '../../src/deliver/sink.ts';
import postgres from '../../src/sinks/postgres.ts';
import { afterwards, close, sinkContext } from './support.ts';

export { type Fields, type Server, startServer } from '../postgres-server.ts';

/** A postgres sink that is closed after the test. */
export function openPostgres(options: object, context: SinkContext = sinkContext()): Sink {
  const sink = postgres.open(postgres.options.parse(options), context);
  afterwards(() => close(sink));
  return sink;
}
