/** Numbered records, and connections full of them. */
import type { Adapter } from './adapter.ts';
import type { Fake } from './fake-sidecar.ts';
import { demand, statsOf } from './suite.ts';

/** About 60 KB, so that a connection that nobody reads is full after some megabytes. */
export const LARGE = Object.fromEntries([...'abcdefg'].map((key) => [key, key.repeat(8100)]));

/** Those that arrived, in order of connection. */
export const numbersOf = (sidecar: Fake): number[] =>
  sidecar.records().flatMap(({ data }) => data.context?.n ?? []);

/** The numbers from `from` to below `count`. */
export const upTo = (count: number, from = 0) => Array.from({ length: count - from }, (_, nth) => from + nth);

/** Large numbered events, until the SDK has one that it could not hand on; how many there were, and the first not handed on. */
export async function fillUp(adapter: Adapter): Promise<{ count: number; sent: number }> {
  for (let count = 0; count < 1000; ) {
    for (let nth = 0; nth < 4; nth++) await adapter.call('event', 'info', 'large', { n: count++, ...LARGE });
    const { queued = 0, sent = 0 } = await statsOf(adapter);
    if (queued > 3) return { count, sent };
  }
  throw new Error('the connection takes everything, though nobody reads');
}

/** Logs until something holds; the SDK may have to wait for its backoff. */
export async function logUntil(adapter: Adapter, holds: () => boolean, what: string): Promise<void> {
  const endMs = Date.now() + 20_000;
  while (!holds()) {
    demand(Date.now() < endMs, what);
    await adapter.call('event', 'info', 'once more');
    await adapter.call('sleep', 0.05);
  }
}
