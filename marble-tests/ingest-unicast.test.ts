import { describe, expect, test } from '@jest/globals';
import { TestScheduler } from 'rxjs/testing';
import { createUnicast } from '../src/ingest/unicast.ts';

/** What a subscriber at `subscription` sees of `source`. */
function expectSeen(source: string, subscription: string, seen: string) {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  scheduler.run(({ hot, expectObservable }) => {
    const { value$, next, complete } = createUnicast<string>();
    hot(source).subscribe({ next, complete });
    expectObservable(value$, subscription).toBe(seen);
  });
}

describe('unicast', () => {
  test.each([
    ['never', '                          -----', '  ^----', '    -----'],
    ['empty', '                          --|', '    ^', '        --|'],
    ['one', '                            -a-|', '   ^', '        -a-|'],
    ['many', '                           -a-b-c|', '^', '        -a-b-c|'],
    ['what came before waits', '       -a-b---c|', '---^', '  ---(ab)c|'],
    ['and so does the end', '            -a|', '    ----^', '    ----(a|)'],
    ['early unsubscribe', '              -a-b-c|', '^--!', '     -a-'],
  ])('%s', (_, source, subscription, seen) => {
    expectSeen(source.trim(), subscription.trim(), seen.trim());
  });

  test('delivers each value once', () => {
    const { value$, next } = createUnicast<number>();
    next(1);
    const first: number[] = [];
    const second: number[] = [];
    value$.subscribe((value) => first.push(value));
    value$.subscribe((value) => second.push(value));
    next(2);
    expect([first, second]).toEqual([[1], [2]]);
  });
});
