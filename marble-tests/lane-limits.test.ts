// What one send may carry, where a sink says it target by target.
import { expect, test } from '@jest/globals';
import { TestScheduler } from 'rxjs/testing';
import { type LaneOptions, openLane } from '../src/deliver/lane.ts';
import type { Sink } from '../src/deliver/sink.ts';
import { delivery, fakeSink, message, numbersOf, OPTIONS, testContext } from '../test/deliver/fixtures.ts';

const LARGE = { maxMessages: 1000, maxBytes: 1_000_000 };

/** Sends as `ms target numbers`; deliveries of one message each, as `[ms, target, number]`. */
function sendsOf(
  limits: NonNullable<Sink['limits']>,
  offers: readonly (readonly [ms: number, target: string, n: number])[],
  options: Partial<LaneOptions> = {},
): string[] {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  return scheduler.run(({ cold }) => {
    const fake = fakeSink(scheduler, () => cold('--|'), LARGE);
    const sink = { ...fake, limits };
    const lane = openLane(
      'b',
      sink,
      { ...OPTIONS, merge: { maxAgeMs: 100 }, ...options },
      testContext(scheduler),
    );
    for (const [ms, target, n] of offers) {
      scheduler.schedule(() => lane.offer(delivery([message(n)], { target })), ms);
    }
    scheduler.flush();
    return fake.sends.map(({ ms, target, numbers }) => `${ms} ${target} ${numbers}`);
  });
}

test('each target is full at its own limits', () => {
  const limits: Sink['limits'] = ({ key }) => ({ ...LARGE, maxMessages: key === 'small' ? 2 : 3 });
  const offers = [1, 2, 3, 4].flatMap((n) => [[n, 'small', n] as const, [n, 'large', n + 10] as const]);
  expect(sendsOf(limits, offers, { concurrency: 4 })).toEqual([
    '2 small 1,2',
    '3 large 11,12,13',
    '4 small 3,4',
    '104 large 14',
  ]);
});

test('they are asked anew with every batch that joins', () => {
  const seen: string[] = [];
  const limits: Sink['limits'] = ({ key }, joining) => {
    seen.push(`${key} ${numbersOf(joining.messages)}`);
    return { ...LARGE, maxMessages: seen.length < 3 ? 100 : 3 };
  };
  expect(
    sendsOf(limits, [
      [1, 't', 1],
      [2, 't', 2],
      [3, 't', 3],
      [4, 't', 4],
    ]),
  ).toEqual(['3 t 1,2,3', '104 t 4']);
  expect(seen).toEqual(['t 1', 't 2', 't 3', 't 4']);
});

test('the configuration narrows them', () => {
  const limits: Sink['limits'] = () => LARGE;
  const merge = { maxMessages: 2, maxAgeMs: 100 };
  expect(
    sendsOf(
      limits,
      [
        [1, 't', 1],
        [2, 't', 2],
        [3, 't', 3],
      ],
      { merge },
    ),
  ).toEqual(['2 t 1,2', '103 t 3']);
});

test('past three quarters of the bound nothing waits for company any more', () => {
  const limits: Sink['limits'] = () => LARGE;
  const offers = [1, 2, 3, 4, 5, 6, 7, 8, 9].map((n) => [n, `t${n % 2}`, n] as const);
  expect(sendsOf(limits, offers, { queueMaxBytes: 800, concurrency: 1 })).toEqual([
    '7 t1 1,3,5,7',
    '102 t0 2,4,6,8',
    '109 t1 9',
  ]);
});
