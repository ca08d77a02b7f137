import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Job, jobOf } from '../src/deliver/job.ts';
import { createQueue, type Queue, type QueueOptions } from '../src/deliver/queue.ts';
import { BUSY_BYTES } from '../src/deliver/sink.ts';
import type { Messages } from '../src/message.ts';
import { type DeliveryFields, delivery, message, numberOf, numbersOf } from '../test/deliver/fixtures.ts';
import { createModel, gaugesOf } from '../test/deliver/queue-model.ts';

const OPTIONS: QueueOptions = {
  merge: { maxMessages: 10, maxBytes: 10_000 },
  maxAgeMs: 0,
  isCritical: ({ severity }) => severity >= 5,
};

const queueOf = (over: Partial<QueueOptions> = {}) => createQueue({ ...OPTIONS, ...over });

const alone = { merge: { maxMessages: 1, maxBytes: 1 } };

/** Numbers of the messages that the next takes give, each released before the next. */
function drain(queue: Queue, nowMs = 0): number[][] {
  const taken: number[][] = [];
  for (let job = queue.take(nowMs); job !== undefined; job = queue.take(nowMs)) {
    taken.push(numbersOf(job.batch.messages));
    queue.release(job, nowMs);
  }
  return taken;
}

function shedAll(queue: Queue, bytes: number, critical = false): number[] {
  const shed: number[] = [];
  const onShed = (_job: Job, messages: Messages) => shed.push(...numbersOf(messages));
  if (critical) queue.shedCritical(bytes, 0, onShed);
  else queue.shed(bytes, 0, onShed);
  return shed;
}

const resent = (job: Job): Job => ({ ...job, sends: job.sends + 1, failures: job.failures + 1 });

describe('order of sending', () => {
  test('an empty queue gives nothing', () => {
    const queue = queueOf();
    expect(queue.take(0)).toBeUndefined();
    expect(queue.dueMs()).toBeUndefined();
    expect(queue.oldestMs()).toBeUndefined();
  });

  test('lower priority numbers first, oldest first within one', () => {
    const queue = queueOf(alone);
    queue.add(delivery([1], { priority: 2 }), 0);
    queue.add(delivery([2], { priority: 1 }), 0);
    queue.add(delivery([3], { priority: 1, target: 'u' }), 0);
    queue.add(delivery([4], { priority: 1 }), 0);
    queue.add(delivery([5], { priority: 0 }), 0);
    expect(drain(queue)).toEqual([[5], [2], [3], [4], [1]]);
  });

  test('batches of one target are merged past those of others, up to the limits', () => {
    const queue = queueOf({ merge: { maxMessages: 4, maxBytes: 10_000 } });
    for (const [n, target] of ['t', 'u', 't', 't', 'u', 't'].entries()) {
      queue.add(delivery([2 * n, 2 * n + 1], { target }), 0);
    }
    expect(drain(queue)).toEqual([
      [0, 1, 4, 5],
      [2, 3, 8, 9],
      [6, 7, 10, 11],
    ]);
  });

  test('a batch beyond the limits goes alone, as it is', () => {
    const queue = queueOf({ merge: { maxMessages: 10, maxBytes: 250 } });
    queue.add(delivery([1, 2, 3]), 0);
    queue.add(delivery([4]), 0);
    expect(drain(queue)).toEqual([[1, 2, 3], [4]]);
  });

  test('batches with different behaviour at the bound are not merged', () => {
    const queue = queueOf();
    queue.add(delivery([1]), 0);
    queue.add(delivery([2], { whenFull: 'block' }), 0);
    queue.add(delivery([3]), 0);
    expect(drain(queue)).toEqual([[1], [2], [3]]);
  });

  test('what is synced to disk is not merged with what is not', () => {
    const queue = queueOf();
    for (const [at, stored] of [true, true, undefined].entries()) {
      queue.restore({ ...jobOf(delivery([at + 1]), 0, 0), stored }, 0);
    }
    expect(drain(queue)).toEqual([[1, 2], [3]]);
  });

  test('however many targets there are, each keeps its order', () => {
    const queue = queueOf(alone);
    const targets = Array.from({ length: 200 }, (_, n) => n);
    for (const n of [0, 200])
      for (const at of targets) queue.add(delivery([n + at], { target: `t${at}` }), 0);
    expect(queue.take(0)?.target.key).toBe('t0');
    for (const at of targets) queue.add(delivery([400 + at], { target: `t${at}` }), 0);
    const numbers = drain(queue).flat();
    expect(numbers).toEqual(Array.from({ length: 599 }, (_, n) => n + 1).filter((n) => n % 200 !== 0));
  });

  test('a merged job counts from its oldest part', () => {
    const queue = queueOf();
    queue.add(delivery([1]), 5);
    queue.add(delivery([2]), 9);
    expect(queue.take(10)).toMatchObject({ offeredMs: 5, order: 0, sends: 0, failures: 0 });
  });

  test('a target that is taken is passed over until it is released, in every priority', () => {
    const queue = queueOf(alone);
    queue.add(delivery([1]), 0);
    queue.add(delivery([2]), 0);
    queue.add(delivery([3], { priority: 1 }), 0);
    queue.add(delivery([4], { target: 'u', priority: 2 }), 0);
    const first = queue.take(0)!;
    const other = queue.take(0)!;
    expect([numbersOf(first.batch.messages), numbersOf(other.batch.messages)]).toEqual([[1], [4]]);
    expect(queue.take(0)).toBeUndefined();
    queue.release(first, 0);
    expect(drain(queue)).toEqual([[2], [3]]);
  });

  test('of a target that may be taken twice, a third job waits', () => {
    const queue = queueOf({ ...alone, perTarget: 2 });
    for (const n of [1, 2, 3]) queue.add(delivery([n]), 0);
    const first = queue.take(0)!;
    const second = queue.take(0)!;
    expect(numbersOf([first, second].flatMap(({ batch }) => batch.messages))).toEqual([1, 2]);
    expect([queue.take(0), queue.dueMs()]).toEqual([undefined, undefined]);
    queue.putBack([second], 0, 0);
    expect(drain(queue)).toEqual([[2], [3]]);
  });

  test('a target that may be taken several times leaves one to its neighbours, should it hang', () => {
    const queue = queueOf({ ...alone, perTarget: 2 });
    queue.add(delivery([1], { target: 'u' }), 0);
    queue.release(queue.take(0)!, 0);
    for (const n of [2, 3]) queue.add(delivery([n]), 0);
    const hanging = queue.take(0)!;
    expect([queue.take(0), queue.dueMs()]).toEqual([undefined, undefined]);
    queue.add(delivery([4], { target: 'u' }), 0);
    expect(drain(queue)).toEqual([[4]]);
    queue.release(hanging, 0);
    expect(drain(queue)).toEqual([[3]]);
  });

  test('a retry comes back before its line, as it was, and is not merged', () => {
    const queue = queueOf();
    queue.add(delivery([1]), 0);
    queue.add(delivery([2]), 0);
    const job = queue.take(0)!;
    queue.add(delivery([3]), 0);
    queue.putBack([resent(job)], 0, 0);
    expect(drain(queue)).toEqual([[1, 2], [3]]);
  });

  test('a retry waits for its time and holds up its target only', () => {
    const queue = queueOf();
    queue.add(delivery([1]), 0);
    queue.putBack([resent(queue.take(0)!)], 50, 0);
    queue.add(delivery([2]), 1);
    queue.add(delivery([3], { target: 'u' }), 1);
    expect(drain(queue, 1)).toEqual([[3]]);
    expect(queue.dueMs()).toBe(50);
    expect(drain(queue, 49)).toEqual([]);
    expect(drain(queue, 50)).toEqual([[1], [2]]);
  });

  test('retryNow ends the waiting', () => {
    const queue = queueOf();
    queue.add(delivery([1]), 0);
    queue.putBack([resent(queue.take(0)!)], 50, 0);
    queue.retryNow(1);
    expect(queue.dueMs()).toBe(0);
    expect(drain(queue, 1)).toEqual([[1]]);
  });

  test('a clock that is set back makes everything due, not late', () => {
    const queue = queueOf({ maxAgeMs: 100 });
    queue.add(delivery([1]), 1_000_000);
    expect(queue.take(1_000_001)).toBeUndefined();
    expect(drain(queue, 5)).toEqual([[1]]);
  });

  test('… so are all retries of a target, not only the first of them', () => {
    const setUp = () => {
      const queue = queueOf({ ...alone, perTarget: 2 });
      for (const n of [1, 2]) queue.add(delivery([n]), 1_000_000);
      const [first, second] = [queue.take(1_000_000)!, queue.take(1_000_000)!];
      queue.putBack([resent(second)], 1_000_050, 1_000_000);
      queue.putBack([resent(first)], 1_000_050, 1_000_000);
      return queue;
    };
    expect(drain(setUp(), 5)).toEqual([[1], [2]]);
    const queue = setUp();
    queue.retryNow(1_000_001);
    expect(drain(queue, 1_000_001)).toEqual([[1], [2]]);
  });
});

describe('waiting for company', () => {
  const patient = { maxAgeMs: 100, merge: { maxMessages: 4, maxBytes: 10_000 } };

  test('a batch waits until it is old enough', () => {
    const queue = queueOf(patient);
    queue.add(delivery([1]), 0);
    queue.add(delivery([2]), 60);
    expect(drain(queue, 99)).toEqual([]);
    expect(queue.dueMs()).toBe(100);
    expect(drain(queue, 100)).toEqual([[1, 2]]);
  });

  test('… or its send is full', () => {
    const queue = queueOf(patient);
    queue.add(delivery([1, 2]), 0);
    expect(queue.take(0)).toBeUndefined();
    queue.add(delivery([3, 4]), 0);
    expect(drain(queue, 0)).toEqual([[1, 2, 3, 4]]);
    queue.add(delivery([5, 6, 7]), 0);
    const job = queue.take(100)!;
    queue.putBack([resent(job)], 0, 100);
    queue.release(queue.take(100)!, 100);
    // A send that was repeated leaves no trace.
    queue.add(delivery([8, 9, 10, 11]), 100);
    expect(drain(queue, 100)).toEqual([[8, 9, 10, 11]]);
  });

  test('behind a large send it waits longer, until there was a small one', () => {
    const queue = queueOf({ ...patient, merge: { maxMessages: 4, maxBytes: 1e6 }, busyAgeMs: 500 });
    const large = { bytes: BUSY_BYTES };
    queue.add(delivery([message(1, large)]), 0);
    expect(drain(queue, 100)).toEqual([[1]]);
    queue.add(delivery([2]), 100);
    expect(drain(queue, 599)).toEqual([]);
    expect(queue.dueMs()).toBe(600);
    expect(drain(queue, 600)).toEqual([[2]]);
    queue.add(delivery([3]), 600);
    expect(drain(queue, 700)).toEqual([[3]]);
  });

  test('… or a critical batch comes', () => {
    const queue = queueOf(patient);
    queue.add(delivery([1]), 0);
    queue.add(delivery([2], { reason: 'critical' }), 0);
    expect(drain(queue, 0)).toEqual([[1, 2]]);
    queue.add(delivery([3]), 0);
    expect(queue.take(0)).toBeUndefined();
  });

  test('… or patience is turned off', () => {
    const queue = queueOf(patient);
    queue.add(delivery([1]), 0);
    queue.setPatient(false, 0);
    queue.add(delivery([2], { target: 'u' }), 0);
    expect(drain(queue, 0)).toEqual([[1], [2]]);
    queue.setPatient(true, 0);
    queue.add(delivery([3]), 0);
    expect(queue.take(0)).toBeUndefined();
  });

  test('what a full send leaves waits on, by its own age', () => {
    const queue = queueOf(patient);
    queue.add(delivery([1, 2, 3]), 0);
    queue.add(delivery([4, 5]), 10);
    expect(drain(queue, 10)).toEqual([[1, 2, 3]]);
    expect(queue.dueMs()).toBe(110);
  });
});

describe('shedding', () => {
  const typed = (n: number, type: string, severity = 0) => message(n, { type, severity });
  const event = (n: number) => typed(n, 'event');

  test('sheds progress before resource, metric, span, event; what it does not know ranks as an event', () => {
    const queue = queueOf();
    const types = ['event', 'span', 'custom', 'metric', 'resource', 'progress', 'event', 'progress'];
    queue.add(delivery(types.map((type, n) => typed(n, type))), 0);
    expect(shedAll(queue, 1)).toEqual([5]);
    expect(shedAll(queue, 250)).toEqual([7, 4, 3]);
    expect(shedAll(queue, 10_000)).toEqual([1, 0, 2, 6]);
    expect(gaugesOf(queue)).toEqual({ messages: 0, bytes: 0, blockingBytes: 0, oldestMs: undefined });
  });

  test('sheds the oldest first, whatever the target', () => {
    const queue = queueOf();
    for (const n of [1, 2, 3, 4]) queue.add(delivery([n], { target: `t${n % 2}` }), n);
    expect(shedAll(queue, 300)).toEqual([1, 2, 3]);
    expect(drain(queue)).toEqual([[4]]);
  });

  test('sheds the lowest rule first, all of it', () => {
    const queue = queueOf();
    queue.add(delivery([typed(1, 'progress')], { priority: 1 }), 0);
    queue.add(delivery([typed(2, 'event')], { priority: 2 }), 0);
    queue.add(delivery([typed(3, 'metric')], { priority: 2 }), 0);
    expect(shedAll(queue, 10_000)).toEqual([3, 2, 1]);
  });

  test('never sheds critical messages nor those of rules that block', () => {
    const queue = queueOf();
    queue.add(delivery([typed(1, 'event', 5), typed(2, 'event', 4)]), 0);
    queue.add(delivery([3], { whenFull: 'block' }), 0);
    expect(shedAll(queue, 10_000)).toEqual([2]);
    expect(queue.blockingBytes).toBe(100);
    expect(shedAll(queue, 10_000, true)).toEqual([1]);
    expect(drain(queue)).toEqual([[3]]);
  });

  test('what remains of a batch keeps its order, its source and its reason, and holds nothing else', () => {
    const queue = queueOf();
    const types = ['metric', 'event', 'metric', 'event', 'progress', 'event'];
    queue.add(
      delivery(
        types.map((type, n) => typed(n, type)),
        { reason: 'age' },
      ),
      0,
    );
    expect(shedAll(queue, 250)).toEqual([4, 0, 2]);
    expect(shedAll(queue, 100)).toEqual([1]);
    const { batch } = queue.take(0)!;
    expect(numbersOf(batch.messages)).toEqual([3, 5]);
    expect(batch).toMatchObject({ source: 's', reason: 'age', bytes: 200 });
    expect(batch.id).toBe(`${batch.messages[0]?.id}-2`);
  });

  test('what has waited through a shedding is gone once it is shed, unless somebody looked', () => {
    const queue = queueOf();
    queue.add(delivery([typed(0, 'metric'), event(1), event(2), typed(3, 'metric')]), 0);
    const looked: number[][] = [];
    const unseen: Messages[] = [];
    queue.shed(200, 0, (_job, messages) => looked.push(numbersOf(messages)));
    queue.shed(200, 0, (_job, messages) => unseen.push(messages));
    expect(looked).toEqual([[0, 3]]);
    expect(unseen.map(({ length }) => length)).toEqual([2]);
    expect(() => numbersOf(unseen[0]!)).toThrow('given up');
  });

  test('what is shed bit by bit of one batch is the oldest each time', () => {
    const queue = queueOf();
    queue.add(delivery([typed(0, 'metric'), event(1), event(2), event(3), event(4), event(5)]), 0);
    expect([shedAll(queue, 150), shedAll(queue, 100), shedAll(queue, 100)]).toEqual([[0, 1], [2], [3]]);
    expect(drain(queue)).toEqual([[4, 5]]);
  });

  test('a full line of which was shed waits for company again', () => {
    const queue = queueOf({ maxAgeMs: 100, merge: { maxMessages: 3, maxBytes: 10_000 } });
    queue.add(delivery([typed(1, 'metric'), event(2), event(3)]), 0);
    shedAll(queue, 1);
    expect(queue.take(0)).toBeUndefined();
    expect(queue.dueMs()).toBe(100);
    expect(drain(queue, 100)).toEqual([[2, 3]]);
  });

  test('a merged batch that comes back and is shed from stays a batch of several sources', () => {
    const queue = queueOf();
    queue.add(delivery([message(1, { source: 'a' })]), 0);
    queue.add(delivery([message(2, { source: 'b', type: 'metric' })]), 0);
    queue.add(delivery([message(3, { source: 'c' })]), 0);
    queue.putBack([resent(queue.take(0)!)], 0, 0);
    expect(shedAll(queue, 1)).toEqual([2]);
    expect(queue.take(0)?.batch).toMatchObject({ source: '', bytes: 200 });
  });

  test('a retry counts as the oldest of its rank', () => {
    const queue = queueOf(alone);
    for (const n of [1, 2, 3]) queue.add(delivery([n]), 0);
    expect(shedAll(queue, 0)).toEqual([]);
    const job = queue.take(0)!;
    expect(shedAll(queue, 100)).toEqual([2]);
    queue.putBack([resent(job)], 0, 0);
    expect(shedAll(queue, 200)).toEqual([1, 3]);
  });

  test('a target whose head was shed keeps its place by its new head', () => {
    const queue = queueOf(alone);
    queue.add(delivery([typed(1, 'metric')], { target: 'a' }), 0);
    queue.add(delivery([typed(2, 'event')], { target: 'b' }), 0);
    queue.add(delivery([typed(3, 'event')], { target: 'a' }), 0);
    expect(shedAll(queue, 1)).toEqual([1]);
    expect(drain(queue)).toEqual([[2], [3]]);
  });

  test('a message is looked at once, however often the queue sheds', () => {
    let looks = 0;
    const isCritical = () => {
      looks++;
      return false;
    };
    const queue = queueOf({ isCritical, ...alone });
    for (let n = 0; n < 1000; n++) {
      queue.add(delivery([typed(3 * n, 'event'), typed(3 * n + 1, 'span'), typed(3 * n + 2, 'metric')]), n);
      if (queue.bytes > 30_000) shedAll(queue, queue.bytes - 27_000);
    }
    expect(looks).toBeLessThanOrEqual(3000);
  });
});

test('takes out what matches, oldest first, and nothing else', () => {
  const queue = queueOf();
  for (const [n, target] of ['t', 'u', 't', 'v', 'u'].entries()) queue.add(delivery([n], { target }), 0);
  const out = queue.takeOut(({ target: { key } }) => key !== 'v', 0);
  expect(out.flatMap(({ batch }) => numbersOf(batch.messages))).toEqual([0, 1, 2, 4]);
  expect(shedAll(queue, 1e6)).toEqual([3]);
});

test('clear takes out everything, due or not, taken targets too', () => {
  const queue = queueOf({ ...alone, maxAgeMs: 100 });
  for (const n of [1, 2]) queue.add(delivery([n]), 0);
  queue.add(delivery([3], { target: 'u' }), 0);
  const job = queue.take(0)!;
  expect(queue.clear().flatMap(({ batch }) => numbersOf(batch.messages))).toEqual([2, 3]);
  expect(shedAll(queue, 1e6)).toEqual([]);
  queue.putBack([resent(job)], 50, 0);
  expect(drain(queue, 50)).toEqual([[1]]);
  expect(gaugesOf(queue)).toEqual({ messages: 0, bytes: 0, blockingBytes: 0, oldestMs: undefined });
});

/** Draws a step of a queue's life. */
const anyStep = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      types: fc.array(fc.constantFrom('progress', 'resource', 'metric', 'span', 'event', 'error', 'odd'), {
        minLength: 1,
        maxLength: 4,
      }),
      fields: fc.record({
        target: fc.constantFrom('t', 'u', 'v'),
        priority: fc.integer({ min: 0, max: 2 }),
        whenFull: fc.constantFrom('shed' as const, 'shed' as const, 'block' as const),
        reason: fc.constantFrom('count' as const, 'count' as const, 'critical' as const),
      }),
    }),
  },
  { weight: 4, arbitrary: fc.constant({ kind: 'take' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('release' as const), at: fc.nat() }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('putBack' as const),
      at: fc.nat(),
      delayMs: fc.integer({ min: 0, max: 30 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('shed' as const), bytes: fc.nat(600) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('shedCritical' as const), bytes: fc.nat(300) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('setPatient' as const), on: fc.boolean() }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'takeProbe' as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: 'retryNow' as const }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(20) }) },
);

test('equals a naive queue over any life', () => {
  fc.assert(
    fc.property(
      fc.array(anyStep, { maxLength: 80 }),
      fc.constantFrom(0, 15),
      fc.constantFrom(1, 1, 2, 3),
      (steps, maxAgeMs, perTarget) => {
        const options = { ...OPTIONS, maxAgeMs, perTarget, merge: { maxMessages: 5, maxBytes: 450 } };
        const queue = createQueue(options);
        const model = createModel(options);
        const out: Job[] = [];
        let nowMs = 1;
        let n = 0;
        for (const step of steps) {
          if (step.kind === 'add') {
            const messages = step.types.map((type) =>
              type === 'error' ? message(n++, { severity: 5 }) : message(n++, { type, severity: 0 }),
            );
            const fields: DeliveryFields = step.fields;
            queue.add(delivery(messages, fields), nowMs);
            model.add(messages, fields, nowMs);
          } else if (step.kind === 'take') {
            const job = queue.take(nowMs);
            expect(job?.batch.messages.map(numberOf)).toEqual(model.take(nowMs));
            if (job !== undefined) out.push(job);
          } else if (step.kind === 'takeProbe') {
            const job = queue.takeProbe(nowMs);
            expect(job?.batch.messages.map(numberOf)).toEqual(model.takeProbe(nowMs));
            if (job !== undefined) out.push(job);
          } else if (step.kind === 'release' && out.length > 0) {
            const [job] = out.splice(step.at % out.length, 1);
            queue.release(job!, nowMs);
            model.release(job!.target.key);
          } else if (step.kind === 'putBack' && out.length > 0) {
            const [job] = out.splice(step.at % out.length, 1);
            const retryAtMs = step.delayMs === 0 ? 0 : nowMs + step.delayMs;
            queue.putBack([resent(job!)], retryAtMs, nowMs);
            model.putBack([resent(job!)], retryAtMs);
          } else if (step.kind === 'shed') {
            expect(shedAll(queue, step.bytes)).toEqual(model.shed(step.bytes));
          } else if (step.kind === 'shedCritical') {
            expect(shedAll(queue, step.bytes, true)).toEqual(model.shedCritical(step.bytes));
          } else if (step.kind === 'setPatient') {
            queue.setPatient(step.on, nowMs);
            model.setPatient(step.on);
          } else if (step.kind === 'retryNow') {
            queue.retryNow(nowMs);
            model.retryNow();
          } else if (step.kind === 'wait') {
            nowMs += step.ms;
          }
          expect(gaugesOf(queue)).toEqual(model.gauges());
        }
      },
    ),
    { numRuns: 1000 },
  );
}, 120_000);
