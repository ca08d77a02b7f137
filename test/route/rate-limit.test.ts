import { expect, test } from '@jest/globals';
import { asyncScheduler } from 'rxjs';
import rateLimit from '../../pipelines/rate-limit.ts';
import { createChain } from '../../src/route/chain.ts';
import type { Operator } from '../../src/route/operator.ts';
import { collectGarbage } from '../deliver/garbage.ts';
import { batchOf, messageOf, recordingContext, use } from './support.ts';

test('rate-limit keeps of long values what it tells them apart by', async () => {
  const operators = [use('rate-limit', rateLimit as Operator, { rate: 1, by: 'data.key' })];
  const chain = createChain(
    { operators, backend: 'b', rule: 'routing.s[0]' },
    recordingContext(asyncScheduler),
  );
  await collectGarbage(undefined, 3);
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < 100; n++) {
    chain.push(batchOf([messageOf(`${n}`, { data: { key: `${n}${'x'.repeat(500_000)}` } })]));
  }
  await collectGarbage(undefined, 3);
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(5_000_000);
  expect(chain.held()).toBe(0);
});
