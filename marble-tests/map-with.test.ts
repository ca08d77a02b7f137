import { describe, expect, test } from '@jest/globals';
import { concat, NEVER, type Observable, of, throwError } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { mapWith } from '../src/flow/map-with.ts';

type Fn = (value: string) => string | undefined;
const FUNCTIONS: Record<string, Fn> = {
  u: (value) => value.toUpperCase(),
  d: (value) => `${value}${value}`,
  t: () => {
    throw 'error';
  },
  n: () => undefined,
};

function expectMapped(
  source: string,
  project: string,
  expected: string,
  subscriptions?: readonly [source: string, project: string],
): void {
  const scheduler = new TestScheduler((actual, want) => expect(actual).toEqual(want));
  scheduler.run(({ hot, expectObservable, expectSubscriptions }) => {
    const source$ = hot(source);
    const project$ = hot(project, FUNCTIONS);
    const first$: Observable<Fn> = concat(of(FUNCTIONS.u as Fn), NEVER);
    const latest$ = project === '' ? first$ : concat(of(FUNCTIONS.u as Fn), project$);
    expectObservable(source$.pipe(mapWith(latest$))).toBe(expected, { A: 'A', B: 'B', c: 'cc' });
    if (subscriptions === undefined) return;
    expectSubscriptions(source$.subscriptions).toBe(subscriptions[0]);
    expectSubscriptions(project$.subscriptions).toBe(subscriptions[1]);
  });
}

describe('mapWith', () => {
  test('never, empty, one, many', () => {
    expectMapped('---', '', '---');
    expectMapped('--|', '', '--|');
    expectMapped('-a|', '', '-A|');
    expectMapped('-ab|', '', '-AB|');
  });

  test('takes the function of the moment', () => {
    expectMapped('-a-c|', '--d', '-A-c|', ['^---!', '^---!']);
  });

  test('leaves out what becomes undefined', () => {
    expectMapped('-a-b-a|', '--nu', '-A---A|', ['^-----!', '^-----!']);
  });

  test('goes on with the last function when there are no more', () => {
    expectMapped('-a-b|', '--|', '-A-B|', ['^---!', '^-!']);
  });

  test('an error of the source and of the functions', () => {
    expectMapped('-a#', '---', '-A#', ['^-!', '^-!']);
    expectMapped('-a--', '--#', '-A#', ['^-!', '^-!']);
  });

  test('early unsubscribe', () => {
    new TestScheduler((actual, want) => expect(actual).toEqual(want)).run((helpers) => {
      const { hot, expectObservable, expectSubscriptions } = helpers;
      const source$ = hot('-a-b');
      const project$ = hot('----', FUNCTIONS);
      const latest$ = concat(of(FUNCTIONS.u as Fn), project$);
      expectObservable(source$.pipe(mapWith(latest$)), '^-!').toBe('-A-');
      for (const each of [source$, project$]) expectSubscriptions(each.subscriptions).toBe('^-!');
    });
  });

  test('refuses functions that are not there on subscription, and does not touch the source', () => {
    const errors: unknown[] = [];
    let subscribed = 0;
    const source$ = concat(of('a'), NEVER);
    const counted$ = new Proxy(source$, {
      get: (target, key, receiver) => {
        if (key === 'subscribe') subscribed++;
        return Reflect.get(target, key, receiver);
      },
    });
    counted$.pipe(mapWith(NEVER)).subscribe({ error: (error) => errors.push(error) });
    expect(errors).toEqual([new TypeError('mapWith: project$ must emit on subscription')]);
    expect(subscribed).toBe(0);
  });

  test('an error of the functions on subscription is told once', () => {
    const errors: unknown[] = [];
    of('a')
      .pipe(mapWith(throwError(() => 'gone')))
      .subscribe({ error: (error) => errors.push(error) });
    expect(errors).toEqual(['gone']);
  });

  test('a function that throws is an error of the result', () => {
    expectMapped('-a-b|', '--t', '-A-#', ['^--!', '^--!']);
  });
});
