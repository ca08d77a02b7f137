import { expect, test } from '@jest/globals';
import { asyncScheduler } from 'rxjs';
import dedupe from '../../pipelines/dedupe.ts';
import rateLimit from '../../pipelines/rate-limit.ts';
import tailSample from '../../pipelines/tail-sample.ts';
import { createChain } from '../../src/route/chain.ts';
import type { Operator } from '../../src/route/operator.ts';
import { collectGarbage } from '../deliver/garbage.ts';
import { batchOf, messageOf, recordingContext, use } from './support.ts';

const chainOf = (operator: unknown, options: object) =>
  createChain(
    { operators: [use('o', operator as Operator, options)], backend: 'b', rule: 'routing.s[0]' },
    recordingContext(asyncScheduler),
  );

/** What a thousand messages of a key each take once there were so many, in milliseconds; the median of several. */
function costAfter(thousands: number, operator: unknown, options: object): number {
  const chain = chainOf(operator, options);
  const costs = Array.from({ length: thousands }, (_, n) => {
    const messages = Array.from({ length: 1000 }, (_, m) => {
      const key = `${n}.${m}`;
      return messageOf(key, { data: { key }, trace_id: key });
    });
    const batch = batchOf(messages);
    const startMs = performance.now();
    chain.push(batch);
    return performance.now() - startMs;
  });
  chain.drain(0).subscribe().unsubscribe();
  const last = costs.slice(-11).sort((a, b) => a - b);
  return last[5] as number;
}

test.each([
  ['dedupe', dedupe, (max: number) => ({ max_keys: max, count_field: 'n' })],
  ['rate-limit', rateLimit, (max: number) => ({ rate: 1, by: 'data.key', max_keys: max })],
  ['tail-sample, held', tailSample, (max: number) => ({ sample: 0, max_traces: max, max_decided: 1 })],
  ['tail-sample, decided', tailSample, (max: number) => ({ sample: 0, max_traces: 1, max_decided: max })],
])(
  '%s does not slow down with the number of keys',
  (_, operator, optionsOf) => {
    const few = costAfter(20, operator, optionsOf(100));
    const many = costAfter(130, operator, optionsOf(66_000));
    expect(many / few).toBeLessThan(4);
  },
  60_000,
);

test('rate-limit keeps of long values what it tells them apart by', async () => {
  const chain = chainOf(rateLimit, { rate: 1, by: 'data.key' });
  await collectGarbage(undefined, 3);
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < 100; n++) {
    chain.push(batchOf([messageOf(`${n}`, { data: { key: `${n}${'x'.repeat(500_000)}` } })]));
  }
  await collectGarbage(undefined, 3);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(5_000_000);
  expect(chain.held()).toBe(0);
});
