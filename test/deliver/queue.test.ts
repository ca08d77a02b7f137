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

test('of what waits through a shedding only its bytes are kept, and of what was shed nothing', async () => {
  const queue = queueOf();
  const objects: WeakRef<object>[] = [];
  const fill = () => {
    const metric = freshMessage(1, { type: 'metric', severity: 0 });
    const critical = freshMessage(2, { severity: 5 });
    const offered = delivery([metric, critical]);
    const ndjson = Buffer.from('encoded');
    offered.batch.ndjson = ndjson;
    for (const object of [metric, critical, ndjson]) objects.push(new WeakRef(object));
    queue.add(offered, 0);
    queue.shed(1, 0, () => {});
    return { ...critical };
  };
  const { id, bytes } = fill();
  await collectGarbage(() => objects.every((ref) => ref.deref() === undefined));
  expect(objects.map((ref) => ref.deref())).toEqual([undefined, undefined, undefined]);
  expect(queue.messages).toBe(1);
  const [critical] = queue.take(0)?.batch.messages ?? [];
  expect(critical).toMatchObject({ id, bytes });
  expect(critical?.text).toHaveLength(bytes);
}, 60_000);

test('what is kept does not hold the memory of what came and was shed between it', async () => {
  const queue = queueOf();
  const size = { bytes: 10_000 };
  await collectGarbage(undefined, 3);
  const before = process.memoryUsage().arrayBuffers;
  for (let n = 0; n < 1000; n++) {
    const events = Array.from({ length: 9 }, (_, i) => freshMessage(10 * n + i, { ...size, severity: 3 }));
    const critical = n % 20 === 0 ? [freshMessage(10 * n + 9, { ...size, severity: 5 })] : [];
    queue.add(delivery([...events, ...critical]), n);
    queue.shed(queue.bytes - 4_000_000, n, () => {});
  }
  await collectGarbage(undefined, 3);
  expect(queue.messages).toBeGreaterThanOrEqual(400);
  // 90 MB passed.
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(30_000_000);
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
