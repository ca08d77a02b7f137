import { expect, test } from '@jest/globals';
import { createQueue } from '../../src/deliver/queue.ts';
import { delivery, freshMessage, message } from './fixtures.ts';
import { collectGarbage } from './garbage.ts';

const queueOf = () =>
  createQueue({
    merge: { maxMessages: 100, maxBytes: 10_000 },
    maxAgeMs: 0,
    isCritical: ({ severity }) => severity >= 5,
  });

test('what was shed of a batch is not kept by what was not', async () => {
  const queue = queueOf();
  const critical = freshMessage(2, { severity: 5 });
  const shed: WeakRef<object>[] = [];
  const fill = () => {
    const metric = freshMessage(1, { type: 'metric', severity: 0 });
    const offered = delivery([metric, critical]);
    const ndjson = Buffer.from('encoded');
    offered.batch.ndjson = ndjson;
    shed.push(new WeakRef(metric), new WeakRef(ndjson));
    queue.add(offered, 0);
    queue.shed(1, 0, () => {});
  };
  fill();
  await collectGarbage(() => shed.every((ref) => ref.deref() === undefined));
  expect(shed.map((ref) => ref.deref())).toEqual([undefined, undefined]);
  expect(queue.messages).toBe(1);
  expect(critical.text).toHaveLength(critical.bytes);
}, 60_000);

test('targets that come and go leave nothing behind, shed or sent', async () => {
  const queue = queueOf();
  const messages = [message(1, { type: 'metric', severity: 0 })];
  await collectGarbage(undefined, 3);
  const before = process.memoryUsage().heapUsed;
  for (let n = 0; n < 100_000; n++) {
    queue.add(delivery(messages, { target: `file-${n}` }), n);
    if (n % 2 === 0) queue.shed(1, n, () => {});
    else queue.release(queue.take(n)!, n);
  }
  await collectGarbage(undefined, 3);
  // A forgotten line of each target would be 20 MB.
  expect(process.memoryUsage().heapUsed - before).toBeLessThan(5_000_000);
  expect(queue.messages).toBe(0);
}, 60_000);
