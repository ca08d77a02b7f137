import { describe, expect, test } from '@jest/globals';
import { map, mergeMap } from 'rxjs';
import dedupe from '../pipelines/dedupe.ts';
import { dataOf, type JsonObject, type Message } from '../src/message.ts';
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

const event = (data: JsonObject, over: JsonObject = {}) => ({ type: 'event', data, ...over });

/** Marbles in, marbles out; a letter in upper case is one that the operator changed. */
function expectMarbles(
  options: object,
  source: string,
  expected: string,
  records: Record<string, JsonObject>,
  changed: Record<string, JsonObject> = {},
) {
  virtually(({ cold, expectObservable }, scheduler) => {
    const received = new Set<Message>();
    const receive = (name: string) => {
      const message = messageOf(name, records[name], { receivedMs: scheduler.now() });
      received.add(message);
      return message;
    };
    const describe = (message: Message) => (received.has(message) ? message.id : dataOf(message));
    const result$ = cold(source).pipe(
      map(receive),
      built(dedupe, options, operatorContext(scheduler)),
      map(describe),
    );
    expectObservable(result$).toBe(expected, {
      ...Object.fromEntries(Object.keys(records).map((name) => [name, name])),
      ...changed,
    });
  });
}

const RECORDS = {
  a: event({ level: 'warn', message: 'disk full', at: 1 }),
  b: event({ level: 'warn', message: 'disk full', at: 2 }),
  c: event({ level: 'error', message: 'disk full', at: 3 }),
  t: event({ level: 'warn', message: 'disk full', at: 1 }, { source: 't' }),
  m: { type: 'metric', data: { name: 'n', value: 1 } },
};
const BY = { by: ['data.level', 'data.message'], window: '5ms' };

describe('dedupe', () => {
  testsOfEveryOperator(dedupe, {});

  test('drops what repeats within the window that the first one opened', () => {
    expectMarbles(BY, 'aba-bab|', 'a----a-|', RECORDS);
  });

  test('tells messages apart by the fields given', () => {
    expectMarbles(BY, 'abct|', 'a-c-|', RECORDS);
    expectMarbles({ ...BY, by: ['source', ...BY.by] }, 'abct|', 'a-ct|', RECORDS);
    expectMarbles({ by: ['data.at'] }, 'abct|', 'abc-|', RECORDS);
  });

  test('by default compares source, type and all data', () => {
    expectMarbles({}, 'abctabct|', 'abct----|', RECORDS);
  });

  test('by default has a window of 10 s', () => {
    expectMarbles({}, 'a 9998ms a a|', 'a 9998ms - a|', RECORDS);
  });

  test('looks at events only, unless told', () => {
    expectMarbles({}, 'mma|', 'mma|', RECORDS);
    expectMarbles({ types: ['metric'] }, 'mmaa|', 'm-aa|', RECORDS);
  });

  test('takes missing fields for equal', () => {
    expectMarbles({ by: ['data.nothing', 'job_id'] }, 'abct|', 'a---|', RECORDS);
  });

  test('says with the next one how many were dropped', () => {
    const options = { ...BY, count_field: 'repeated' };
    const changed = { A: { ...RECORDS.a.data, repeated: 2 } };
    expectMarbles(options, 'abac--a-----a|', 'a--c--A-----a|', RECORDS, changed);
  });

  test('says so however long that takes', () => {
    const changed = { A: { ...RECORDS.a.data, n: 1 } };
    expectMarbles({ ...BY, count_field: 'n' }, 'ac-bc 60m c 1m a|', 'ac--- 60m C 1m A|', RECORDS, {
      ...changed,
      C: { ...RECORDS.c.data, n: 1 },
    });
  });

  test('forgets the oldest at its bound', () => {
    const options = { by: ['data.at'], max_keys: 2, window: '1m' };
    expectMarbles(options, 'abab-cba-|', 'ab---c-a-|', RECORDS);
    expectMarbles({ ...options, window: '5ms' }, 'ab----aca|', 'ab----ac-|', RECORDS);
  });

  test('keeps long keys apart', () => {
    const long = 'x'.repeat(10_000);
    const records = { a: event({ message: `${long}a` }), b: event({ message: `${long}b` }) };
    expectMarbles({}, 'abab|', 'ab--|', records);
  });

  test('takes no notice of a field that is named like a prototype', () => {
    const records = { a: event({}), b: event({ toString: 1 }) };
    expectMarbles({ by: ['data.toString'] }, 'ab|', 'ab|', records);
  });

  test('passes again what a clock set back has made unknown', () => {
    let nowMs = 1e6;
    const scheduler = {
      now: () => nowMs,
      schedule: () => {
        throw new Error('no timers');
      },
    };
    const passed: string[] = [];
    const context = { ...operatorContext(scheduler), scheduler };
    const operate = built(dedupe, BY, context);
    virtually(({ cold }) => {
      const times: Record<string, number> = { a: 1e6, b: 1e6 + 1, c: 1000, d: 1001 };
      cold('abcd|')
        .pipe(
          map((name) => {
            nowMs = times[name]!;
            return messageOf('a', RECORDS.a, { receivedMs: nowMs });
          }),
          operate,
        )
        .subscribe(() => passed.push(String(nowMs)));
    });
    expect(passed).toEqual(['1000000', '1000']);
  });

  test.each([
    ['the time between messages that come in one batch', [0, 4, 5, 9, 10], '024'],
    ['a batch of another source that was received at the same time', [7, 8, 3, 4, 12], '04'],
  ] as [string, number[], string][])('goes by %s', (_, receivedMs, expected) => {
    let passed = '';
    virtually(({ cold }, scheduler) => {
      cold('5s b|')
        .pipe(
          mergeMap(() => receivedMs.map((ms, at) => messageOf(`${at}`, RECORDS.a, { receivedMs: ms }))),
          built(dedupe, BY, operatorContext(scheduler)),
        )
        .subscribe(({ id }) => {
          passed += id;
        });
    });
    expect(passed).toBe(expected);
  });

  test('counts what it drops in its rule', () => {
    const batches = { m: batchOf([...'abct'].map((name) => messageOf(name, RECORDS[name as 'a']))) };
    const { results } = tryChain({ operators: [use('dedupe', dedupe, BY)], source: 'm-m|', batches });
    expect(results).toEqual([
      '0 ac',
      '0 filtered operator:dedupe bt',
      '2 filtered operator:dedupe abct',
      '3 |',
    ]);
  });

  test.each([{ window: 5 }, { window: '0s' }, { by: [] }, { max_keys: 0 }, { windows: '5s' }])(
    'refuses %j',
    (options) => {
      expect(dedupe.options?.safeParse(options).success).toBe(false);
    },
  );
});
