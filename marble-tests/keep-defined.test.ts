import { expect, test } from '@jest/globals';
import { TestScheduler } from 'rxjs/testing';
import { keepDefined } from '../src/flow/keep-defined.ts';

test.each([
  ['never', '---', '---', '^--'],
  ['empty', '--|', '--|', '^-!'],
  ['one', '-a|', '-a|', '^-!'],
  ['none that is defined', '-u|', '--|', '^-!'],
  ['many, whatever else is falsy', 'a-uzne-u|', 'a--zne--|', '^-------!'],
  ['error', 'au#', 'a-#', '^-!'],
])('keepDefined: %s', (_, source, expected, subscriptions) => {
  const values = { a: 1, u: undefined, z: 0, n: null, e: '' };
  new TestScheduler((actual, want) => expect(actual).toEqual(want)).run((helpers) => {
    const source$ = helpers.hot<unknown>(source, values);
    helpers.expectObservable(source$.pipe(keepDefined())).toBe(expected, values);
    helpers.expectSubscriptions(source$.subscriptions).toBe(subscriptions);
  });
});

test('keepDefined: early unsubscribe', () => {
  new TestScheduler((actual, want) => expect(actual).toEqual(want)).run((helpers) => {
    const source$ = helpers.hot('a-b-c');
    helpers.expectObservable(source$.pipe(keepDefined()), '^--!').toBe('a-b-');
    helpers.expectSubscriptions(source$.subscriptions).toBe('^--!');
  });
});
