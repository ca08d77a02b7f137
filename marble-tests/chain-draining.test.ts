import { describe, expect, test } from '@jest/globals';
import { delay, filter, map, NEVER, Observable } from 'rxjs';
import type { Message } from '../src/message.ts';
import type { Operator } from '../src/route/operator.ts';
import { dropB, hold, mark, run } from '../test/route/chain-trial.ts';
import { messageOf } from '../test/route/support.ts';

describe('draining', () => {
  test('flushes each operator into the next', () => {
    const { results } = run({ one: hold(2), two: hold(1), dropB }, 'm-|');
    expect(results).toEqual(['0 a', '2 cd', '2 filtered operator:dropB b', '2 |']);
  });

  test('waits for an operator that takes its time', () => {
    const slow: Operator = (_, context) => (message$) =>
      hold(9)({}, context)(message$).pipe(delay(7, context.scheduler));
    const { results, context } = run({ slow, dropB }, 'ab|');
    expect(results).toContain('9 |');
    expect(context.added + results.filter((line) => line.includes('filtered')).length).toBeGreaterThan(0);
  });

  test('counts what an operator does not give back as filtered by it', () => {
    const keeper: Operator = (_, context) => (message$) => {
      context.holding(() => 99);
      return message$.pipe(filter(() => false));
    };
    expect(run({ keeper }, 'm|').results).toEqual(['1 filtered operator:keeper abcd', '1 |']);
  });

  const stuck: Operator = (_, context) => (message$) =>
    new Observable((subscriber) => {
      let count = 0;
      context.holding(() => count);
      subscriber.add(message$.subscribe(() => count++));
    });

  test('sheds what is not out at the deadline', () => {
    expect(run({ stuck }, 'm|', { drainMs: 20 }).results).toEqual(['21 shed drain_deadline abcd', '21 |']);
    expect(run({ hold: hold(1), stuck, last: hold(1) }, 'm|', { drainMs: 20 }).results).toEqual([
      '21 shed drain_deadline abcd',
      '21 |',
    ]);
  });

  test('sheds what is held when it is unsubscribed', () => {
    expect(run({ stuck }, 'm|', { until: '----|' }).results).toEqual(['4 shed drain_deadline abcd']);
  });

  test('ends at the deadline without anything held', () => {
    const never: Operator = () => () => NEVER;
    expect(run({ never }, 'a|', { drainMs: 5 }).results).toEqual(['0 filtered operator:never a', '6 |']);
  });

  test('leaves no timer behind', () => {
    let ticks = 0;
    const ticking: Operator = (_, context) => (message$) =>
      new Observable((subscriber) => {
        const tick = () => {
          ticks++;
          subscriber.add(context.scheduler.schedule(tick, 1));
        };
        tick();
        return message$.subscribe(subscriber);
      });
    run({ ticking }, '--a-|');
    expect(ticks).toBe(2);
    run({ ticking }, '-----|');
    expect(ticks).toBe(2);
  });
});

describe('time', () => {
  test('emissions outside context.scheduler are turns of their own', () => {
    let emit = (_: Message) => {};
    const foreign: Operator = () => (message$) =>
      new Observable((subscriber) => {
        emit = (message) => subscriber.next(message);
        return message$.subscribe();
      });
    const at = { 3: () => emit(messageOf('a')) };
    const { results, context } = run({ foreign, mark }, 'a|', { at, drainMs: 10 });
    expect(results).toEqual(['0 filtered operator:foreign a', '3 a', '11 |']);
    expect(context.added).toBe(1);
  });

  test('errors and completions outside context.scheduler are, too', () => {
    let subscriber: { error(e: unknown): void; complete(): void } | undefined;
    const foreign: Operator = (_, context) => (message$) =>
      new Observable((to) => {
        subscriber = to;
        let count = 0;
        context.holding(() => count);
        return message$.subscribe(() => count++);
      });
    const at = { 2: () => subscriber?.error('no'), 6: () => subscriber?.complete() };
    expect(run({ foreign }, 'a---b-------|', { at }).results).toEqual([
      '2 dead_lettered operator_restart:foreign a',
      '6 filtered operator_ended:foreign b',
      '12 |',
    ]);
  });

  test('operators see the clock', () => {
    const times: number[] = [];
    const clock: Operator = (_, context) =>
      map((message) => {
        times.push(context.scheduler.now());
        return message;
      });
    run({ clock }, 'a--b---a|');
    expect(times).toEqual([0, 3, 7]);
  });
});
