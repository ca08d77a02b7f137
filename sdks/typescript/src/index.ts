/**
 * Events, metrics, progress, resource use and spans to the monitoring sidecar, over one TCP connection.
 *
 *     import { init } from '@monitoring/sdk';
 *     const monitoring = init({ source: 'db-loader' });
 *     await monitoring.ready();
 *     monitoring.withSpan('load_data', () => monitoring.logMetric('rows_loaded', 10_000, 'rows'));
 */
import { Client } from './client.ts';
import { givenOf, type Options } from './settings.ts';
import { plain, toJson } from './values.ts';

export { Client } from './client.ts';
export type { Stats } from './dropped.ts';
export { VERSION } from './frames.ts';
export type { Options, OutgoingRecord } from './settings.ts';
export type { SpanOptions } from './spans.ts';

const clients = new Map<string, Client>();

/** A client; the same for the same options. Never throws. What it holds is flushed before the process ends by itself. */
export function init(options: Options = {}): Client {
  const key = toJson(plain(givenOf(options)));
  let client = clients.get(key);
  if (client === undefined || client.isClosed) {
    for (const [old, one] of clients) if (one.isClosed) clients.delete(old);
    client = new Client(options);
    clients.set(key, client);
  }
  return client;
}

process.on('beforeExit', () => {
  for (const client of clients.values()) void client.beforeExit();
});
