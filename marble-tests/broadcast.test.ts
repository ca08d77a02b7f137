import { describe, expect, test } from '@jest/globals';
import { TestScheduler } from 'rxjs/testing';
import { broadcast, broadcastState } from '../src/flow/broadcast.ts';

function inVirtualTime(body: Parameters<TestScheduler['run']>[0]): void {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  scheduler.run(body);
}

describe('broadcast', () => {
  test.each([
    ['never', '-', '-'],
    ['one', '--a--', '--a--'],
    ['many', 'a-(bc)-', 'a-(bc)-'],
    ['empty', '--|', '--|'],
    ['completes', 'a-b|', 'a-b|'],
  ])('%s', (_name, input, output) =>
    inVirtualTime(({ hot, expectObservable }) => {
      const feed = broadcast<string>();
      hot(input).subscribe({ next: feed.next, complete: feed.complete });
      expectObservable(feed.value$).toBe(output);
    }),
  );

  test('everyone gets what comes while subscribed, and the end also afterwards', () =>
    inVirtualTime(({ hot, expectObservable }) => {
      const feed = broadcast<string>();
      hot('                             a-b-c-|').subscribe({ next: feed.next, complete: feed.complete });
      expectObservable(feed.value$, '-^---!     ').toBe('--b-c  ');
      expectObservable(feed.value$, '---^      ').toBe('----c-|');
      expectObservable(feed.value$, '--------^ ').toBe('--------|');
    }));

  test('after the end values are ignored', () =>
    inVirtualTime(({ expectObservable }) => {
      const feed = broadcast<string>();
      feed.complete();
      feed.next('a');
      expectObservable(feed.value$).toBe('|');
    }));

  test('a subscriber cannot feed it', () => {
    expect('next' in broadcast().value$).toBe(false);
  });
});

describe('broadcastState', () => {
  test('a subscriber gets the state in force, then each change', () =>
    inVirtualTime(({ hot, expectObservable }) => {
      const state = broadcastState('i');
      hot('                             --a-a-b-|').subscribe({ next: state.set, complete: state.complete });
      expectObservable(state.value$).toBe('              i-a---b-|');
      expectObservable(state.value$, '---^         ').toBe('---a--b-|');
      expectObservable(state.value$, '---^-!       ').toBe('---a     ');
      expectObservable(state.value$, '---------^   ').toBe('---------|');
    }));

  test('get says the state in force', () => {
    const state = broadcastState(1);
    state.set(2);
    expect(state.get()).toBe(2);
  });
});
