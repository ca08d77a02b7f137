import { describe, expect, test } from '@jest/globals';
import {
  bufferCount,
  concat,
  concatMap,
  delay,
  EMPTY,
  endWith,
  ignoreElements,
  map,
  mergeMap,
  NEVER,
  type Observable,
  of,
  Subject,
  switchMap,
  tap,
  throwError,
  toArray,
} from 'rxjs';
import { type RunHelpers, TestScheduler } from 'rxjs/testing';
import { drainingSwitchMap } from '../src/flow/draining-switch-map.ts';

type Project = (plan: string, input$: Observable<string>) => Observable<string>;

const run = (body: (helpers: RunHelpers, scheduler: TestScheduler) => void) => {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  scheduler.run((helpers) => body(helpers, scheduler));
};

/** `1a`: value a by plan 1. */
const tag: Project = (plan, input$) => input$.pipe(map((value) => plan + value));
/** Holds everything until its input completes. */
const hold: Project = (plan, input$) =>
  input$.pipe(
    toArray(),
    map((values) => plan + values.join('')),
  );

function expectRun(
  {
    source,
    plans,
    project = tag,
    drainMs = 10,
  }: {
    source: string;
    plans: string;
    project?: Project;
    drainMs?: number;
  },
  expected: string,
  values: Record<string, string> = {},
  subscriptions?: string,
): void {
  run((helpers, scheduler) => {
    const source$ = helpers.hot<string>(source);
    const actual$ = source$.pipe(
      drainingSwitchMap(helpers.hot<string>(plans), project, { drainMs: () => drainMs, scheduler }),
    );
    helpers.expectObservable(actual$).toBe(expected, values);
    if (subscriptions !== undefined) helpers.expectSubscriptions(source$.subscriptions).toBe(subscriptions);
  });
}

const VALUES = { A: '1a', B: '1b', C: '2c', D: '2d', X: '1ab', Y: '2cd', Z: '1abcd' };

describe('drainingSwitchMap', () => {
  test('never, empty, one', () => {
    expectRun({ source: '---', plans: '1--' }, '---', {}, '^--');
    expectRun({ source: '--|', plans: '1--' }, '--|', {}, '^-!');
    expectRun({ source: '-a|', plans: '1--' }, '-A|', VALUES, '^-!');
  });

  test('many, over two plans, with one subscription to the source', () => {
    expectRun({ source: '-ab-cd-|', plans: '1--2----' }, '-AB-CD-|', VALUES, '^------!');
  });

  test('no source and no plan at all', () => {
    expectRun({ source: '|', plans: '|' }, '|');
    expectRun({ source: '|', plans: '-' }, '|');
    expectRun({ source: '-', plans: '|' }, '-');
  });

  test("an error of the source, of the plans and of an inner is the result's", () => {
    expectRun({ source: '-a#', plans: '1--' }, '-A#', VALUES, '^-!');
    expectRun({ source: '-a--', plans: '1-#' }, '-A#', VALUES, '^-!');
    const failing: Project = () => throwError(() => 'error');
    expectRun({ source: '----', plans: '-1', project: failing }, '-#', {}, '^!');
  });

  test('a project that throws is an error of the result', () => {
    const throwing: Project = () => {
      throw 'error';
    };
    expectRun({ source: '-a--', plans: '--1', project: throwing }, '--#', {}, '^-!');
  });

  test('early unsubscribe leaves the source, the plans and every inner', () => {
    run(({ hot, cold, expectObservable, expectSubscriptions }, scheduler) => {
      const source$ = hot('-a-b-c-');
      const plan$ = hot('1--2---');
      const slow1$ = cold('-------x');
      const slow2$ = cold('-------y');
      const actual$ = source$.pipe(
        drainingSwitchMap(plan$, (plan) => (plan === '1' ? slow1$ : slow2$), {
          drainMs: () => 10,
          scheduler,
        }),
      );
      expectObservable(actual$, '^----!').toBe('------');
      for (const each of [source$, plan$, slow1$]) expectSubscriptions(each.subscriptions).toBe('^----!');
      expectSubscriptions(slow2$.subscriptions).toBe('---^-!');
      scheduler.schedule(() => expect(scheduler.actions).toHaveLength(0), 6);
    });
  });

  test('completion flushes the inner', () => {
    expectRun({ source: '-abcd|', plans: '1--', project: hold }, '-----(Z|)', VALUES);
  });

  test('keeps what comes before the first plan, in order', () => {
    expectRun({ source: 'ab-----|', plans: '---1' }, '---(AB)|', VALUES, '^------!');
    expectRun({ source: 'ab|', plans: '---1' }, '---(AB|)', VALUES, '^-!');
  });

  test('gives up on kept values once no plan can come', () => {
    expectRun({ source: 'ab|', plans: '---|' }, '---|');
  });

  test('on a new plan the old inner flushes at once', () => {
    expectRun({ source: '-ab-cd-|', plans: '1--2', project: hold }, '---X---(Y|)', VALUES);
  });

  test('the old inner drains while the new one takes', () => {
    const lazy: Project = (plan, input$) =>
      plan === '1' ? input$.pipe(concatMap((value) => of(plan + value).pipe(delay(4)))) : tag(plan, input$);
    expectRun({ source: 'ab-cd------|', plans: '1-2', project: lazy }, '---C(DA)B--|', {
      ...VALUES,
      B: '1b',
    });
  });

  test('completes only after the last inner that drains', () => {
    const lazy: Project = (plan, input$) => input$.pipe(ignoreElements(), endWith(plan), delay(5));
    expectRun({ source: '---|', plans: '1-2', project: lazy }, '-------1(2|)', { 1: '1', 2: '2' });
  });

  test('the drain deadline unsubscribes an old inner, and not the new one', () => {
    run(({ hot, cold, expectObservable, expectSubscriptions }, scheduler) => {
      const endless$ = cold('x--x--x--x--x--x');
      const source$ = hot<string>('--------------|');
      const actual$ = source$.pipe(
        drainingSwitchMap(
          hot<string>('1---2'),
          (plan, input$) => (plan === '1' ? endless$ : tag(plan, input$)),
          {
            drainMs: () => 6,
            scheduler,
          },
        ),
      );
      expectObservable(actual$).toBe('x--x--x--x----|');
      expectSubscriptions(endless$.subscriptions).toBe('^---------!');
    });
  });

  test('the drain deadline ends the last inner too', () => {
    expectRun({ source: '--|', plans: '1', project: () => NEVER, drainMs: 4 }, '------|');
  });

  test('a deadline is asked for when it begins, and dropped with its inner', () => {
    run(({ hot, expectObservable, flush }, scheduler) => {
      const asked: number[] = [];
      const drainMs = () => {
        asked.push(scheduler.now());
        return 1_000_000;
      };
      const project: Project = (plan, input$) =>
        plan === '1' ? concat(input$, of('x').pipe(delay(2))) : tag(plan, input$);
      expectObservable(
        hot<string>('-a-b------|').pipe(
          drainingSwitchMap(hot<string>('1-2'), project, { drainMs, scheduler }),
        ),
      ).toBe('-a-Bx-----|', { a: 'a', B: '2b', x: 'x' });
      flush();
      expect(asked).toEqual([2]);
      expect(scheduler.now()).toBeLessThan(1000);
    });
  });

  test('a plan while another drains: three inners at a time, each drains by itself', () => {
    const slow: Project = (plan, input$) =>
      input$.pipe(
        toArray(),
        map((all) => plan + all.join('')),
        delay(3),
      );
    expectRun(
      { source: 'ab-c-d--e-----|', plans: '1-2-3', project: slow, drainMs: 9 },
      '-----X-Y---------(Z|)',
      {
        X: '1ab',
        Y: '2c',
        Z: '3de',
      },
    );
  });

  test('a hundred switches in one frame lose and duplicate nothing', () => {
    const source$ = new Subject<number>();
    const plan$ = new Subject<number>();
    const scheduler = new TestScheduler(() => {});
    const seen: number[] = [];
    let completed = 0;
    source$
      .pipe(
        drainingSwitchMap(
          plan$,
          (_, input$) =>
            input$.pipe(
              bufferCount(7),
              mergeMap((all) => all),
            ),
          {
            drainMs: () => 10,
            scheduler,
          },
        ),
      )
      .subscribe({ next: (value) => seen.push(value), complete: () => completed++ });
    for (let n = 0; n < 1000; n++) {
      if (n % 10 === 3) plan$.next(n);
      source$.next(n);
    }
    source$.complete();
    expect(seen).toEqual(Array.from({ length: 1000 }, (_, n) => n));
    expect(completed).toBe(1);
    expect(source$.observed).toBe(false);
    expect(plan$.observed).toBe(false);
  });

  test('where plain switchMap loses what is held and what is in flight, this does not', () => {
    const late: Project = (plan, input$) =>
      input$.pipe(
        bufferCount(2),
        map((pair) => plan + pair.join('')),
        delay(2),
      );
    expectRun({ source: 'abc-----d|', plans: '1--2', project: late }, '---X-Y-----(Z|)', {
      X: '1ab',
      Y: '1c',
      Z: '2d',
    });
    run(({ hot, expectObservable }) => {
      const source$ = hot('abc-----d|');
      const actual$ = hot('1--2').pipe(switchMap((plan) => late(plan, source$)));
      // a and b were in flight, c was held: all three are gone
      expectObservable(actual$).toBe('-----------Z', { Z: '2d' });
    });
  });
});

describe('drainingSwitchMap, re-entered', () => {
  const scheduler = new TestScheduler(() => {});
  const options = { drainMs: () => 10, scheduler };

  /** Runs `values` through; `act` is told of each value before the inner's own handling of it. */
  function enter(
    project: (act: (value: string) => void) => Project,
    act: (stage: Stage, value: string) => void,
  ) {
    const stage: Stage = { source$: new Subject(), plan$: new Subject(), seen: [] };
    const inner = project((value) => act(stage, value));
    stage.source$.pipe(drainingSwitchMap(stage.plan$, inner, options)).subscribe({
      next: (value) => stage.seen.push(value),
      complete: () => stage.seen.push('|'),
    });
    return stage;
  }
  interface Stage {
    readonly source$: Subject<string>;
    readonly plan$: Subject<string>;
    readonly seen: string[];
  }
  const telling =
    (act: (value: string) => void): Project =>
    (plan, input$) =>
      input$.pipe(
        tap(act),
        map((value) => plan + value),
      );

  test("a plan from inside a value's handling: that value is not lost", () => {
    const { source$, plan$, seen } = enter(telling, (stage, value) => {
      if (value === 'b') stage.plan$.next('2');
    });
    plan$.next('1');
    for (const value of 'abc') source$.next(value);
    expect(seen).toEqual(['1a', '1b', '2c']);
  });

  test("the end of the source from inside a value's handling", () => {
    const { source$, plan$, seen } = enter(telling, (stage) => stage.source$.complete());
    plan$.next('1');
    source$.next('a');
    expect(seen).toEqual(['1a', '|']);
  });

  test("both from inside a value's handling", () => {
    const { source$, plan$, seen } = enter(telling, (stage) => {
      stage.plan$.next('2');
      stage.source$.complete();
    });
    plan$.next('1');
    source$.next('a');
    expect(seen).toEqual(['1a', '|']);
  });

  test("a value from inside a value's handling", () => {
    const { source$, plan$, seen } = enter(telling, (stage, value) => {
      if (value === 'a') stage.source$.next('x');
    });
    plan$.next('1');
    source$.next('a');
    expect(seen).toEqual(['1x', '1a']);
  });

  test('values while the kept ones are handed over come after them', () => {
    const { source$, plan$, seen } = enter(telling, (stage, value) => {
      if (value === 'a') stage.source$.next('x');
    });
    for (const value of 'ab') source$.next(value);
    plan$.next('1');
    source$.next('c');
    expect(seen).toEqual(['1a', '1b', '1x', '1c']);
  });

  test('a plan from inside a project, and from what an inner emits on subscription', () => {
    const source$ = new Subject<string>();
    const plan$ = new Subject<string>();
    const seen: string[] = [];
    const project: Project = (plan, input$) => {
      if (plan === '1') plan$.next('2');
      return concat(of(`${plan}!`), tag(plan, input$));
    };
    source$.pipe(drainingSwitchMap(plan$, project, options)).subscribe((value) => {
      seen.push(value);
      if (value === '2!') plan$.next('3');
    });
    plan$.next('1');
    source$.next('a');
    expect(seen).toEqual(['1!', '2!', '3!', '3a']);
  });

  test('a plan from inside what an inner flushes on completion', () => {
    const source$ = new Subject<string>();
    const plan$ = new Subject<string>();
    const seen: string[] = [];
    source$.pipe(drainingSwitchMap(plan$, hold, options)).subscribe((value) => {
      seen.push(value);
      if (value === '1a') plan$.next('3');
    });
    plan$.next('1');
    source$.next('a');
    plan$.next('2');
    source$.next('b');
    source$.complete();
    expect(seen).toEqual(['1a', '2', '3b']);
  });

  test("a plan after unsubscribing from inside a value's handling starts nothing", () => {
    const source$ = new Subject<string>();
    const plan$ = new Subject<string>();
    const started: string[] = [];
    const project: Project = (plan, input$) => {
      started.push(plan);
      return tag(plan, input$);
    };
    const subscription = source$.pipe(drainingSwitchMap(plan$, project, options)).subscribe(() => {
      plan$.next('2');
      subscription.unsubscribe();
    });
    plan$.next('1');
    source$.next('a');
    expect(started).toEqual(['1']);
    expect(source$.observed).toBe(false);
  });

  test('an inner that has nothing to do', () => {
    const { source$, plan$, seen } = enter(
      () => () => EMPTY,
      () => {},
    );
    plan$.next('1');
    source$.complete();
    expect(seen).toEqual(['|']);
  });
});
