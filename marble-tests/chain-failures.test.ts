import { describe, expect, test } from '@jest/globals';
import { concat, concatMap, EMPTY, last, map, Observable, range, take } from 'rxjs';
import type { Message } from '../src/message.ts';
import type { Operator } from '../src/route/operator.ts';
import { collect, dropB, hold, pass, run, throwing, throwOnX } from '../test/route/chain-trial.ts';
import { messageOf } from '../test/route/support.ts';

describe('a throw costs one message', () => {
  const LOGGED =
    'error: operator /pipelines/bad.ts failed: no x; what it fails on is dead-lettered and it starts afresh';

  test('and the operator goes on with the next one of the batch', () => {
    const { results, context } = run({ bad: throwOnX, after: pass }, 'n-x-a|');
    expect(results).toEqual([
      '0 abc',
      '0 dead_lettered operator_failed xx',
      '2 dead_lettered operator_failed x',
      '4 a',
      '5 |',
    ]);
    expect(context.failures).toEqual(Array(3).fill('/pipelines/bad.ts'));
    expect(context.logged).toEqual([LOGGED]);
  });

  test('and a message dropped right after it is still filtered', () => {
    const bad: Operator = (_, context) => (message$) => dropB({}, context)(message$.pipe(map(throwing)));
    expect(run({ bad }, 'n|').results).toEqual([
      '0 ac',
      '0 dead_lettered operator_failed xx',
      '0 filtered operator:bad b',
      '1 |',
    ]);
  });

  test('and is logged again once there was a minute without', () => {
    expect(run({ bad: throwOnX }, 'n 58s x 59s x|').context.logged).toEqual([LOGGED]);
    expect(run({ bad: throwOnX }, 'n 58s x 61s x|').context.logged).toEqual([LOGGED, LOGGED]);
  });

  test('wherever the stream reads by hand', () => {
    const byHand: Operator = () => (message$) =>
      new Observable((subscriber) =>
        message$.subscribe((message) => {
          subscriber.next(throwing(message));
        }),
      );
    const pipedByHand: Operator = () => (message$) =>
      new Observable((subscriber) =>
        message$
          .pipe(map((each) => each))
          .subscribe({ next: (message) => subscriber.next(throwing(message)) }),
      );
    const withoutErrorCallback: Operator = () => (message$) =>
      new Observable((subscriber) =>
        message$.pipe(map(throwing)).subscribe((message) => subscriber.next(message)),
      );
    for (const bad of [byHand, pipedByHand, withoutErrorCallback]) {
      const { results, context } = run({ bad }, 'n');
      expect(results).toEqual(['0 abc', '0 dead_lettered operator_failed xx']);
      expect(context.logged).toEqual([LOGGED]);
    }
  });

  test('in what it has scheduled, and what it held is dead-lettered', () => {
    const { results, context } = run({ bad: collect }, 'n-------m-------|');
    expect(results).toEqual(['5 a', '5 dead_lettered operator_restart:bad xbxc', '13 abcd', '16 |']);
    expect(context.logged).toEqual([LOGGED]);
  });

  test('with what the operator held for that', () => {
    expect(run({ bad: hold(2) }, 'n----|').results).toEqual([
      '0 dead_lettered operator_restart:bad ab',
      '0 dead_lettered operator_failed xx',
      '5 c',
      '5 |',
    ]);
  });

  test('unless that one is out already', () => {
    const late: Operator = () => (message$) =>
      new Observable((subscriber) =>
        message$.subscribe({
          next: (message) => {
            subscriber.next(message);
            throwing(message);
          },
          complete: () => subscriber.complete(),
        }),
      );
    const { results, context } = run({ late }, 'n|');
    expect(results).toEqual(['0 axbxc', '1 |']);
    expect(context.failures).toHaveLength(2);
  });

  test('in its count of what it holds', () => {
    const bad: Operator = (_, context) => {
      context.holding(() => {
        throw new Error('no x');
      });
      return dropB({}, context);
    };
    const { results, context } = run({ bad }, 'b-a|');
    expect(results).toEqual(['0 dead_lettered operator_failed b', '2 a', '3 |']);
    expect(context.logged).toEqual([LOGGED]);
  });

  test('when it completes, and what it held is dead-lettered', () => {
    const lastX: Operator = () => last(({ id }) => id === 'x');
    expect(run({ lastX, dropB }, 'a|').results).toEqual(['0 filtered operator:lastX a', '1 |']);
    expect(run({ bad: collect, dropB }, 'n|').results).toEqual([
      '1 a',
      '1 dead_lettered operator_restart:bad xbxc',
      '1 |',
    ]);
  });

  test('and so does a rebuild that fails', () => {
    let builds = 0;
    const fragile: Operator = () => {
      builds++;
      if (builds === 2) throw new Error('not again');
      return map(throwing);
    };
    const { results, context } = run({ fragile }, 'n-a|');
    expect(results).toEqual(['0 ac', '0 dead_lettered operator_failed xbx', '2 a', '3 |']);
    expect(context.failures).toHaveLength(3);
  });

  test('and one that throws when it is stopped is stopped', () => {
    const clinging: Operator = () => (message$) =>
      new Observable((subscriber) => {
        subscriber.add(() => {
          throw new Error('no end');
        });
        return message$.pipe(map(throwing)).subscribe(subscriber);
      });
    const { results, context } = run({ clinging }, 'n|');
    expect(results).toEqual(['0 abc', '0 dead_lettered operator_failed xx', '1 |']);
    expect(context.failures).toHaveLength(2);
  });

  test('of whatever kind', () => {
    for (const thrown of [undefined, null, 'text', Object.create(null), { message: 1 }]) {
      const bad: Operator = () =>
        map(() => {
          throw thrown;
        });
      expect(run({ bad }, 'a|').results).toEqual(['0 dead_lettered operator_failed a', '1 |']);
    }
  });
});

/** A message with others around it. */
const LONG = ['w', 'x', 'y'].map((name) => messageOf(name, { data: { n: 1 } }))[1] as Message;

describe('nonsense costs one message', () => {
  test.each([
    { name: 'undefined', value: undefined, kind: 'undefined' },
    { name: 'null', value: null, kind: 'null' },
    { name: 'a text', value: 'a', kind: 'a string' },
    { name: 'an object', value: { id: 'a' }, kind: 'an object' },
    { name: 'an array', value: [], kind: 'an array' },
    { name: 'an Observable', value: EMPTY, kind: 'an Observable' },
    ...(
      [
        ['data that its text does not have', { data: { n: 1 } }],
        ['another id', { id: 'y' }],
        ['a source that is no text', { source: 5 }],
        ['no time', { timeMs: Number.NaN }],
        ['no time of receipt', { receivedMs: undefined }],
        ['a time beyond all calendars', { timeMs: 1e300 }],
        ['no text', { text: undefined }],
        ['a text that is no buffer', { text: '{}' }],
        ['a start before its text', { start: -5 }],
        ['a start within its line', { start: LONG.start + 3 }],
        ['a start that is no number', { start: Number.NaN }],
        ['more bytes than its text', { bytes: 1e12 }],
        ['more bytes than its line', { bytes: LONG.bytes + 1 }],
        ['fewer bytes than its line', { bytes: LONG.bytes - 1 }],
        ['fewer bytes than none', { bytes: -1 }],
        ['another length of the sender’s part', { headBytes: 1 }],
        ['no length of the sender’s part', { headBytes: Number.NaN }],
      ] as const
    ).map(([what, over]) => ({
      name: `a copy with ${what}`,
      value: { ...LONG, ...over },
      kind: 'an object',
    })),
  ])('$name', ({ value, kind }) => {
    const bad: Operator = () =>
      map((message) => (message.id === 'x' ? (value as unknown as Message) : message));
    const { results, context } = run({ bad, dropB }, 'n-n|');
    const dead = ['dead_lettered operator_failed xx', 'filtered operator:dropB b'];
    expect(results).toEqual([
      '0 ac',
      `0 ${dead[0]}`,
      `0 ${dead[1]}`,
      '2 ac',
      `2 ${dead[0]}`,
      `2 ${dead[1]}`,
      '3 |',
    ]);
    expect(context.failures).toHaveLength(4);
    expect(context.logged).toEqual([
      `error: operator /pipelines/bad.ts emitted ${kind} that is no message; use withData to change one`,
    ]);
  });

  test('from a timer', () => {
    const bad: Operator = (_, context) => (message$) =>
      new Observable((subscriber) => {
        subscriber.add(context.scheduler.schedule(() => subscriber.next(undefined as unknown as Message), 3));
        subscriber.add(message$.subscribe(subscriber));
      });
    const { results, context } = run({ bad }, 'a---b|');
    expect(results).toEqual(['0 a', '4 b', '5 |']);
    expect(context.failures).toHaveLength(1);
  });

  test('an endless loop that RxJS can end', () => {
    const often = (message: Message) => range(0, message.id === 'x' ? 1e9 : 1).pipe(map(() => message));
    const loop: Operator = () => concatMap(often);
    const { results, context } = run({ loop }, 'b-x-a|');
    expect(results[0]).toBe('0 b');
    expect(results[1]).toHaveLength('2 '.length + 10_001);
    expect(results.slice(2)).toEqual(['2 dead_lettered operator_failed x', '4 a', '5 |']);
    expect(context.added).toBe(10_001);
    expect(context.logged).toEqual([expect.stringContaining('failed: made over 10000 messages of one')]);
  });
});

test('an operator that makes many messages of none, as of what it counted, does not fail', () => {
  const counting: Operator = () => (message$) =>
    concat(message$, range(0, 10_001).pipe(map(() => messageOf('o'))));
  const { results, context } = run({ counting }, 'a|');
  expect(results).toEqual(['0 a', `1 ${'o'.repeat(10_001)}`, '1 |']);
  expect(context.added).toBe(10_001);
  expect(context.failures).toEqual([]);
});

describe('an operator that completes', () => {
  test('ends its rule, and says so once', () => {
    const two: Operator = () => take(2);
    const { results, context } = run({ pass, two, dropB }, 'm--a-|');
    expect(results).toEqual([
      '0 a',
      '0 filtered operator:dropB b',
      '0 filtered operator_ended:two cd',
      '3 filtered operator_ended:two a',
      '5 |',
    ]);
    expect(context.failures).toEqual(['/pipelines/two.ts']);
    expect(context.logged).toEqual([
      'error: operator /pipelines/two.ts completed while its input goes on; until it is reloaded its messages are filtered',
    ]);
  });

  test('at once', () => {
    const nothing: Operator = () => () => EMPTY;
    expect(run({ nothing }, 'm|').results).toEqual(['0 filtered operator_ended:nothing abcd', '1 |']);
  });

  test('by a timer, with what it held', () => {
    const timed: Operator = (_, context) => (message$) =>
      new Observable((subscriber) => {
        let count = 0;
        context.holding(() => count);
        subscriber.add(message$.subscribe(() => count++));
        subscriber.add(context.scheduler.schedule(() => subscriber.complete(), 3));
      });
    expect(run({ timed }, 'm----a|').results).toEqual([
      '3 filtered operator_ended:timed abcd',
      '5 filtered operator_ended:timed a',
      '6 |',
    ]);
  });
});
