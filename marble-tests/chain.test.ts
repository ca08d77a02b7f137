import { describe, expect, test } from '@jest/globals';
import {
  asyncScheduler,
  bufferCount,
  concatMap,
  delay,
  endWith,
  filter,
  from,
  mergeMap,
  Observable,
  of,
  share,
  startWith,
} from 'rxjs';
import { z } from 'zod';
import type { Batch } from '../src/batch.ts';
import { jsonOf, type Message } from '../src/message.ts';
import { type ChainOperator, createChain } from '../src/route/chain.ts';
import type { Operator } from '../src/route/operator.ts';
import { BATCHES, build, collect, dropB, hold, mark, pass, run } from '../test/route/chain-trial.ts';
import { batchOf, messageOf, recordingContext, use } from '../test/route/support.ts';

describe('a chain passes', () => {
  test('never, empty', () => {
    expect(run({ pass }, '---').results).toEqual([]);
    expect(run({ pass }, '--|').results).toEqual(['2 |']);
  });

  test('an unchanged batch as the identical object, for its encoding is shared', () => {
    const results: unknown[] = [];
    const chain = build([use('pass', pass), use('hold', hold(0))]);
    chain.attach((result) => results.push(result));
    chain.push(BATCHES.m);
    expect(results).toHaveLength(1);
    expect(results[0]).toBe(BATCHES.m);
  });

  test('a changed batch with its reason, its order and its own size', () => {
    const results: Batch[] = [];
    const chain = build([use('mark', mark), use('dropB', dropB)]);
    chain.attach((result) => 'kind' in result || results.push(result));
    chain.push(batchOf(BATCHES.m.messages, 'critical'));
    expect(results).toMatchObject([{ id: 'a-3', reason: 'critical', source: 's' }]);
    const { messages, bytes } = results[0] as Batch;
    expect(messages.map(jsonOf).filter((json) => json.includes('"marked":true'))).toHaveLength(3);
    expect(bytes).toBe(messages.reduce((sum, message) => sum + message.bytes, 0));
  });

  test('what goes in, without operators', () => {
    expect(run({}, 'a-m|').results).toEqual(['0 a', '2 abcd', '3 |']);
  });

  test('an operator that reads its input twice', () => {
    const twice: Operator = () => (message$) => {
      const shared$ = message$.pipe(share());
      const halves = [
        shared$.pipe(filter(({ id }) => id < 'c')),
        message$.pipe(filter(({ id }) => id >= 'c')),
      ];
      // mergeMap: both halves at once
      return from(halves).pipe(mergeMap((half$) => half$));
    };
    expect(run({ twice }, 'm-m|').results).toEqual(['0 abcd', '2 abcd', '3 |']);
  });

  test('results to the destination attached last', () => {
    const results: string[] = [];
    const chain = build([use('pass', pass)]);
    chain.attach(() => results.push('old'));
    chain.push(BATCHES.a);
    chain.attach(() => results.push('new'));
    chain.push(BATCHES.a);
    expect(results).toEqual(['old', 'new']);
  });
});

describe('a chain counts', () => {
  test('the drops of each operator, with the messages they were', () => {
    const dropC: Operator = () => filter(({ id }) => id !== 'c');
    const expected = [
      '0 ad',
      '0 filtered operator:one b',
      '0 filtered operator:two c',
      '4 filtered operator:one b',
    ];
    expect(run({ one: dropB, two: dropC }, 'm---b|').results).toEqual([...expected, '5 |']);
  });

  test('messages held as held until they come out', () => {
    const held: number[] = [];
    const at = { 1: (chain: { held(): number }) => held.push(chain.held()) };
    const { results, context, chain } = run({ hold: hold(2) }, 'm--b-|', { at });
    expect(results).toEqual(['0 ab', '3 c', '5 db', '5 |']);
    expect([...held, chain.held(), context.added]).toEqual([2, 0, 0]);
  });

  test('what comes out of one timer as one batch a source', () => {
    expect(run({ collect }, 'at(ab)---------m').results).toEqual(['5 aab', '5 a@t', '20 abcd']);
  });

  test('what a timer lets out through the operators after it', () => {
    expect(run({ collect, dropB }, 'm').results).toEqual(['5 acd', '5 filtered operator:dropB b']);
  });

  test('messages held and then dropped, at the time when they are', () => {
    const forget: Operator = (_, context) => (message$) =>
      new Observable((subscriber) => {
        let count = 0;
        context.holding(() => count);
        const keepOne = () => {
          count = 1;
        };
        subscriber.add(context.scheduler.schedule(keepOne, 5));
        subscriber.add(message$.subscribe({ next: () => count++, complete: () => subscriber.complete() }));
      });
    const expected = ['5 filtered operator:forget abc', '8 filtered operator:forget d', '8 |'];
    expect(run({ forget }, 'm-------|').results).toEqual(expected);
  });

  test('held messages by number where it cannot tell which were dropped', () => {
    // Holds a, b, c, d; for x it drops b, and lets c go.
    const odd: Operator = (_, context) => (message$) =>
      new Observable((subscriber) => {
        const held: Message[] = [];
        context.holding(() => held.length);
        return message$.subscribe({
          next: (message) => {
            if (message.id !== 'x') return held.push(message);
            return subscriber.next(held.splice(1, 2)[1] as Message);
          },
          complete: () => {
            for (const message of held.splice(0)) subscriber.next(message);
            subscriber.complete();
          },
        });
      });
    const { results, context, chain } = run({ odd }, 'm-x---|');
    // a stands for b; when a comes out after all, it is set off against b.
    expect(results).toEqual(['2 c', '2 filtered operator:odd xa', '6 ad', '6 |']);
    expect([chain.held(), context.added]).toEqual([0, 0]);
  });

  test('what is held without saying so as filtered, then as added', () => {
    const later: Operator = (_, context) => delay(3, context.scheduler);
    const { results, context } = run({ later }, 'b-a---|');
    expect(results).toEqual([
      '0 filtered operator:later b',
      '2 filtered operator:later a',
      '3 b',
      '5 a',
      '6 |',
    ]);
    expect(context.added).toBe(2);
  });

  test('messages of an operator’s own as added', () => {
    const own = messageOf('o');
    // concatMap: in order
    const thrice: Operator = () => concatMap((message) => of(message, message, own));
    const first: Operator = () => startWith(own);
    const end: Operator = () => endWith(own);
    const { results, context } = run({ first, thrice, end }, '-a-|');
    expect(results).toEqual(['1 oooaao', '3 o', '3 |']);
    expect(context.added).toBe(6);
  });

  test('a message that is pushed twice', () => {
    const { results, context } = run({ hold: hold(3) }, '(aa)-(aa)|');
    expect(results).toEqual(['5 a', '9 aaa', '9 |']);
    expect(context.added).toBe(0);
  });

  test('an operator that says it holds more than it can', () => {
    const boast: Operator = (_, context) => {
      context.holding(() => 1e9);
      return (message$) => message$;
    };
    const { results, chain } = run({ boast }, 'm|');
    expect([...results, chain.held()]).toEqual(['0 abcd', '1 |', 0]);
  });

  test.each([Number.NaN, -1])('an operator that says it holds %p', (count) => {
    const confused: Operator = (_, context) => {
      context.holding(() => count);
      return filter(({ id }) => id === 'a');
    };
    expect(run({ confused }, 'm|').results).toEqual(['0 a', '0 filtered operator:confused bcd', '1 |']);
  });
});

describe('a fingerprint', () => {
  const fingerprint = (operators: readonly ChainOperator[], backend = 'b', rule = 'r') =>
    createChain({ operators, backend, rule }, recordingContext(asyncScheduler)).fingerprint;
  const takes: Operator = () => (message$) => message$;
  takes.options = z.looseObject({});

  test('is equal for equal code and options', () => {
    expect(fingerprint([use('takes', takes, { n: 1 })])).toBe(fingerprint([use('takes', takes, { n: 1 })]));
  });

  test('tells options, code, order, backends and rules apart', () => {
    const edited = use('takes', takes);
    const all = [
      fingerprint([use('takes', takes)]),
      fingerprint([use('takes', takes, { n: 1 })]),
      fingerprint([{ ...edited, loaded: { ...edited.loaded, hash: 'edited' } }]),
      fingerprint([use('takes', takes), use('pass', pass)]),
      fingerprint([use('pass', pass), use('takes', takes)]),
      fingerprint([use('takes', takes)], 'other'),
      fingerprint([use('takes', takes)], 'b', 'other'),
    ];
    expect(new Set(all).size).toBe(all.length);
  });
});

test('bufferCount without a word of what it holds is conserved', () => {
  // concatMap: in order
  const pairs: Operator = () => (message$) =>
    message$.pipe(
      bufferCount(2),
      concatMap((pair) => pair),
    );
  const { results, context } = run({ pairs }, 'm-a|');
  expect(results).toEqual([
    '0 abcd',
    '0 filtered operator:pairs ac',
    '2 filtered operator:pairs a',
    '3 a',
    '3 |',
  ]);
  expect(context.added).toBe(3);
});
