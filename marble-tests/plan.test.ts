import { describe, expect, test } from '@jest/globals';
import { BehaviorSubject, delay, filter, from, mergeMap, Observable, of, Subject, throwError } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import type { Batch } from '../src/batch.ts';
import { drainingSwitchMap } from '../src/flow/draining-switch-map.ts';
import type { Operator } from '../src/route/operator.ts';
import type { Plan } from '../src/route/plan.ts';
import { planOf, routing, showRouted } from '../test/route/planned.ts';
import { letters, recordingContext } from '../test/route/support.ts';

/** Passes a name once. */
const once: Operator = () => (message$) => {
  const seen = new Set<string>();
  return message$.pipe(filter(({ id }) => !seen.has(id) && seen.add(id) !== undefined));
};
/** Holds everything until its input completes. */
const hold: Operator = (_, context) => (message$) =>
  new Observable((subscriber) => {
    const held: Parameters<typeof subscriber.next>[0][] = [];
    context.holding(() => held.length);
    return message$.subscribe({
      next: (message) => held.push(message),
      complete: () => {
        for (const message of held.splice(0)) subscriber.next(message);
        subscriber.complete();
      },
    });
  });
const never: Operator = (_, context) => () => {
  context.holding(() => 1);
  return new Observable();
};
const later: Operator = (_, context) => delay(5, context.scheduler);
const operators = { once, hold, never, later };

const scheduler = () => new TestScheduler(() => {});
const ruleOf = (use: string, more: object = {}) => ({ backend: 'a', operators: [use], ...more });

function stage() {
  const context = recordingContext(scheduler());
  const seen: string[] = [];
  const run = (plan: Plan) => {
    const batch$ = new Subject<Batch>();
    plan.run(batch$).subscribe({
      next: (routed) => 'backend' in routed && routed.backend === 'a' && seen.push(showRouted(routed)),
      complete: () => seen.push('|'),
    });
    return batch$;
  };
  const plan = (rules: Parameters<typeof routing>[0], previous?: Plan, settings: object = {}) =>
    planOf(routing(rules, settings), context, { previous, operators });
  return { context, seen, run, plan };
}

describe('a newer plan', () => {
  test('takes over the chains that it has too, with what they know', () => {
    const { seen, run, plan } = stage();
    const first = plan({ s: [ruleOf('once')] });
    const old$ = run(first);
    old$.next(letters('ab'));
    const second = plan(
      { s: [ruleOf('once', { priority: 3, config: { path: 'u' } }), { backend: 'b' }] },
      first,
    );
    const new$ = run(second);
    old$.complete();
    new$.next(letters('bc'));
    expect(seen).toEqual(['a t ab', '|', 'a u c', 'a filtered operator:once b']);
    expect([...second.chains.values()]).toEqual([...first.chains.values()]);
  });

  test('has what they hold, and its predecessor does not', () => {
    const { seen, run, plan } = stage();
    const first = plan({ s: [ruleOf('hold')] });
    const old$ = run(first);
    old$.next(letters('ab'));
    expect(first.held()).toEqual(new Map([['a', 2]]));
    const second = plan({ s: [ruleOf('hold')], default: [{ backend: 'b' }] }, first);
    const new$ = run(second);
    old$.complete();
    expect([first.held(), second.held()]).toEqual([new Map(), new Map([['a', 2]])]);
    expect(seen).toEqual(['|']);
    new$.complete();
    expect(seen).toEqual(['|', 'a t ab', '|']);
  });

  test('lets go of the ones that it has not: they drain, to where they sent before', () => {
    const { seen, run, plan } = stage();
    const first = plan({ s: [ruleOf('hold', { config: { path: 'u' } })] });
    const old$ = run(first);
    old$.next(letters('ab'));
    run(plan({ s: [{ backend: 'a' }] }, first));
    old$.complete();
    expect(seen).toEqual(['a u ab', '|']);
    expect(first.held()).toEqual(new Map([['a', 0]]));
  });

  test.each([
    ['hold', 'at once comes first', ['a t ab', 'a t cd']],
    ['later', 'later comes behind what the new rule sends meanwhile', ['a t cd', 'a t a', 'a t b']],
  ])('what %s gives back %s', (use, _, delivered) => {
    const { context, plan } = stage();
    const first = plan({ s: [ruleOf(use)] });
    const plan$ = new BehaviorSubject(first);
    const batch$ = new Subject<Batch>();
    const options = { drainMs: () => 1000, scheduler: context.scheduler };
    const seen: string[] = [];
    batch$.pipe(drainingSwitchMap(plan$, (each, input$) => each.run(input$), options)).subscribe((routed) => {
      if (routed.kind === 'delivery') seen.push(showRouted(routed));
    });
    batch$.next(letters('ab'));
    plan$.next(plan({ s: [{ backend: 'a' }] }, first));
    batch$.next(letters('cd'));
    (context.scheduler as TestScheduler).flush();
    expect(seen).toEqual(delivered);
  });

  test('starts a chain anew whose options, operator or place changed', () => {
    const { plan } = stage();
    const first = plan({ s: [ruleOf('once')] });
    const [chain] = first.chains.values();
    for (const rules of [
      { s: [{ backend: 'b', operators: ['once'] }] },
      { s: [ruleOf('hold')] },
      { s: [{ backend: 'b' }, ruleOf('once')] },
      { all: [ruleOf('once')] },
    ]) {
      expect([...plan(rules, first).chains.values()]).not.toContain(chain);
    }
    expect([
      ...plan({ s: [ruleOf('once', { filter: { types: ['event'] } })] }, first).chains.values(),
    ]).toEqual([chain]);
  });

  test('that never runs takes nothing over', () => {
    const { seen, run, plan } = stage();
    const first = plan({ s: [ruleOf('hold')] });
    const old$ = run(first);
    plan({ s: [ruleOf('hold')] }, first);
    old$.next(letters('ab'));
    old$.complete();
    expect(seen).toEqual(['a t ab', '|']);
  });
});

describe('a plan', () => {
  test('completes when the chains have drained, or at their deadline', () => {
    const { seen, run, plan, context } = stage();
    const old$ = run(plan({ s: [ruleOf('never')] }, undefined, { reload: { drain: '5s' } }));
    old$.next(letters('a'));
    old$.complete();
    expect(seen).toEqual([]);
    (context.scheduler as TestScheduler).maxFrames = 10_000;
    (context.scheduler as TestScheduler).flush();
    expect(seen).toEqual(['a shed drain_deadline a', '|']);
    expect(context.scheduler.now()).toBe(5000);
  });

  test('sheds what is held when it is unsubscribed while it drains', () => {
    const { plan } = stage();
    const first = plan({ s: [ruleOf('never')] });
    const subscription = first.run(of(letters('ab'))).subscribe();
    expect(first.held().get('a')).toBeGreaterThan(0);
    subscription.unsubscribe();
    expect(first.held()).toEqual(new Map([['a', 0]]));
  });

  test('passes on an error of its input', () => {
    const { plan } = stage();
    const errors: unknown[] = [];
    plan({ s: [{ backend: 'a' }] })
      .run(throwError(() => 'gone'))
      .subscribe({ error: (error) => errors.push(error) });
    expect(errors).toEqual(['gone']);
  });

  test('knows its backends, those without rules included', () => {
    const { plan } = stage();
    expect(plan({ s: [{ backend: 'a' }] }).backends).toEqual(['a', 'b', 'c']);
  });

  test('is refused with the place of the rule that cannot be', () => {
    const { plan } = stage();
    expect(() => plan({ s: [{ backend: 'b' }, { backend: 'a', config: { path: 'bad' } }] })).toThrow(
      'routing.s[1]: path "bad" is bad',
    );
    expect(() => plan({ s: [ruleOf('unknown')] })).toThrow('routing.s[0]: operator "unknown" is not loaded');
    expect(() => plan({ s: [ruleOf('', { operators: [{ use: 'once', x: 1 }] })] })).toThrow(
      'routing.s[0]: /pipelines/once.ts: takes no options, but got x',
    );
  });

  test('does not mind a disabled rule that cannot be', () => {
    const { plan } = stage();
    expect(() => plan({ s: [{ backend: 'a', enabled: false, config: { path: 'bad' } }] })).not.toThrow();
  });

  test('routes ten thousand sources and more', () => {
    const { seen, run, plan } = stage();
    const batch$ = run(plan({ 's*': [{ backend: 'a' }] }));
    from(Array.from({ length: 10_500 }, (_, n) => letters('x', `s${n}`)))
      // mergeMap: as it comes
      .pipe(mergeMap((batch) => [batch, batch]))
      .subscribe((batch) => batch$.next(batch));
    expect(seen).toHaveLength(21_000);
  });
});
