import { describe, expect, test } from '@jest/globals';
import { map, mergeMap } from 'rxjs';
import rateLimit from '../pipelines/rate-limit.ts';
import type { JsonObject } from '../src/message.ts';
import {
  batchOf,
  built,
  messageOf,
  operatorContext,
  testsOfEveryOperator,
  tryChain,
  use,
  virtually,
} from '../test/route/support.ts';

const RECORDS: Record<string, JsonObject> = {
  a: { data: { level: 'info', user: 1 } },
  b: { data: { level: 'info', user: { name: 'b' } } },
  e: { data: { level: 'error' } },
  f: { data: { level: 'FATAL' } },
  w: { data: { level: 'warning' } },
  t: { source: 't', data: { level: 'info', user: 1 } },
  m: { type: 'metric', data: { level: 'error' } },
};
const MESSAGES = Object.fromEntries(
  Object.entries(RECORDS).map(([name, record]) => [name, messageOf(name, record)]),
);

function expectMarbles(options: object, source: string, expected: string) {
  virtually(({ cold, expectObservable }, scheduler) => {
    const operate = built(rateLimit, options, operatorContext(scheduler));
    expectObservable(
      cold(source, MESSAGES).pipe(
        map(({ id }) => messageOf(id, RECORDS[id], { receivedMs: scheduler.now() })),
        operate,
        map(({ id }) => id),
      ),
    ).toBe(expected);
  });
}

describe('rate-limit', () => {
  testsOfEveryOperator(rateLimit, { rate: 2 });

  test('lets a burst pass, then the rate', () => {
    expectMarbles({ rate: 100, burst: 3 }, 'aaaaa 5ms a 9ms a 9ms a|', 'aaa-- 5ms a 9ms a 9ms a|');
    expectMarbles({ rate: 100, burst: 3 }, 'aaaaa 5ms aaaaaaaaaaaa|', 'aaa-- 5ms a---------a-|');
  });

  test('by default a burst is a second of the rate', () => {
    expectMarbles({ rate: 3 }, 'aaaaa|', 'aaa--|');
    expectMarbles({ rate: 0.5 }, 'aa 1998ms aa|', 'a- 1998ms a-|');
  });

  test('does not save up more than a burst', () => {
    expectMarbles({ rate: 1000, burst: 2 }, '(aaa) 60m (aaa)|', '(aa)- 60m (aa)-|');
  });

  test('has a bucket for each source', () => {
    expectMarbles({ rate: 1 }, 'aatta|', 'a-t--|');
  });

  test('or for each value of a field', () => {
    expectMarbles({ rate: 1, by: 'data.user' }, 'atbbe|', 'a-b-e|');
    expectMarbles({ rate: 1, by: 'data.nothing' }, 'atb|', 'a--|');
  });

  test('always lets severe events pass, without a token', () => {
    expectMarbles({ rate: 1 }, 'efeafa|', 'efeaf-|');
    expectMarbles({ rate: 1, always: 'warn' }, 'wwaa|', 'wwa-|');
    expectMarbles({ rate: 1, always: 'never' }, 'eeff|', 'e---|');
  });

  /** The ids of those that pass, of messages received at these times that come in one batch at 5 s. */
  const passedOfBatch = (options: object, receivedMs: readonly number[]) => {
    let passed = '';
    virtually(({ cold }, scheduler) => {
      cold('5s b|')
        .pipe(
          mergeMap(() => receivedMs.map((ms, at) => messageOf(`${at}`, RECORDS.a, { receivedMs: ms }))),
          built(rateLimit, options, operatorContext(scheduler)),
        )
        .subscribe(({ id }) => {
          passed += id;
        });
    });
    return passed;
  };

  test('counts the time between messages that come in one batch', () => {
    expect(passedOfBatch({ rate: 1 }, [0, 1000, 2000, 2500, 3000, 4000])).toBe('01245');
  });

  test('takes what was held before it for no burst of the past, and nothing for one of the future', () => {
    expect(passedOfBatch({ rate: 1 }, [4000, 0, 5000, 0, 6000, 7000])).toBe('02');
  });

  test('knows messages from before its own start', () => {
    expect(passedOfBatch({ rate: 1 }, [-3000, -2000, -1500, -1000])).toBe('013');
  });

  test('takes a level for one in events only', () => {
    expectMarbles({ rate: 1 }, 'mmm|', 'm--|');
  });

  test('forgets the oldest bucket at its bound', () => {
    expectMarbles({ rate: 1, max_keys: 1 }, 'aatta|', 'a-t-a|');
  });

  test('does not run dry when the clock is set back', () => {
    let nowMs = 1e9;
    const scheduler = {
      now: () => nowMs,
      schedule: () => {
        throw new Error('no timers');
      },
    };
    const passed: number[] = [];
    virtually(({ cold }) => {
      const times: Record<string, number> = { a: 1e9, b: 1000, c: 1500, d: 2000 };
      cold('abcd|')
        .pipe(
          map((name) => {
            nowMs = times[name]!;
            return messageOf('a', RECORDS.a, { receivedMs: nowMs });
          }),
          built(rateLimit, { rate: 1 }, operatorContext(scheduler)),
        )
        .subscribe(() => passed.push(nowMs));
    });
    expect(passed).toEqual([1e9, 2000]);
  });

  test('counts what it drops in its rule', () => {
    const batches = { m: batchOf([...'aaet'].map((name) => MESSAGES[name]!)) };
    const { results } = tryChain({
      operators: [use('rate-limit', rateLimit, { rate: 1 })],
      source: 'm|',
      batches,
    });
    expect(results).toEqual(['0 ae', '0 t@t', '0 filtered operator:rate-limit a', '1 |']);
  });

  test.each([
    {},
    { rate: 0 },
    { rate: -1 },
    { rate: 1, burst: 0 },
    { rate: 1, always: 'loud' },
    { rate: 1, max: 2 },
  ])('refuses %j', (options) => {
    expect(rateLimit.options?.safeParse(options).success).toBe(false);
  });
});
