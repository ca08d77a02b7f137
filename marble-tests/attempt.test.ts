import { describe, expect, test } from '@jest/globals';
import { attempt } from '../src/flow/attempt.ts';
import { virtually } from '../test/route/support.ts';

const unexpected = (error: unknown) => {
  throw error;
};
const upper = (value: string) => value.toUpperCase();
/** `x` throws, `d` is dropped. */
const picky = (value: string) => {
  if (value === 'x') throw new Error('no x');
  return value === 'd' ? undefined : upper(value);
};

describe('attempt', () => {
  test.each([
    { name: 'never', source: '  ----', expected: '----', unsubscribed: `^${'-'.repeat(19)}!` },
    { name: 'empty', source: '  |   ', expected: '|   ', unsubscribed: '(^!)' },
    { name: 'one', source: '    -a-|', expected: '-A-|', unsubscribed: '^--!' },
    { name: 'many', source: '   a(bc)-a|', expected: 'A(BC)-A|', unsubscribed: '^------!' },
    { name: 'error', source: '  -a#', expected: '-A#', unsubscribed: '^-!' },
  ])('$name', ({ source, expected, unsubscribed }) => {
    virtually(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold(source);
      expectObservable(source$.pipe(attempt(upper, unexpected)), `${'-'.repeat(20)}!`).toBe(expected);
      expectSubscriptions(source$.subscriptions).toBe(unsubscribed);
    });
  });

  test('a throw costs one value and tells of it', () => {
    virtually(({ cold, expectObservable, flush }) => {
      const told: unknown[] = [];
      const onError = (error: unknown, value: string) => told.push([(error as Error).message, value]);
      expectObservable(cold('  -a-x-(xa)-b|').pipe(attempt(picky, onError))).toBe('-A---(A)--B|');
      flush();
      expect(told).toEqual([
        ['no x', 'x'],
        ['no x', 'x'],
      ]);
    });
  });

  test('undefined drops the value, null does not', () => {
    virtually(({ cold, expectObservable }) => {
      const nullify = (value: string) => (value === 'd' ? undefined : null);
      expectObservable(cold('-d-a-|').pipe(attempt(nullify, unexpected))).toBe('---n-|', { n: null });
    });
  });

  test('a throwing error callback is a stream error', () => {
    virtually(({ cold, expectObservable, expectSubscriptions }) => {
      const source$ = cold('-a-x-a|');
      expectObservable(source$.pipe(attempt(picky, unexpected))).toBe('-A-#', undefined, new Error('no x'));
      expectSubscriptions(source$.subscriptions).toBe('^--!');
    });
  });

  test('early unsubscription reaches the source', () => {
    virtually(({ hot, expectObservable, expectSubscriptions }) => {
      const source$ = hot('-a-b-c-d-');
      expectObservable(source$.pipe(attempt(upper, unexpected)), '----!').toBe('-A-B');
      expectSubscriptions(source$.subscriptions).toBe('^---!');
    });
  });
});
