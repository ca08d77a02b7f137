import { describe, expect, test } from '@jest/globals';
import { EMPTY, NEVER, type Observable, Subject } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { deliver } from '../src/deliver/deliver.ts';
import type { LaneOptions } from '../src/deliver/lane.ts';
import { type LaneSpec, type Lanes, openLanes } from '../src/deliver/lanes.ts';
import { outcome, type Routed } from '../src/deliver/outcome.ts';
import {
  delivery,
  type FakeSink,
  fakeSink,
  message,
  numbersOf,
  OPTIONS,
  testContext,
  withoutDisk,
} from '../test/deliver/fixtures.ts';

interface Stage {
  readonly lanes: Lanes;
  readonly scheduler: TestScheduler;
  readonly context: ReturnType<typeof testContext>;
  /** Every sink opened, as `backend/fingerprint`. */
  readonly sinks: Map<string, FakeSink>;
  /** Reconciles to backends given as `{ name: fingerprint }`; the fingerprint is also the answer's marbles. */
  reconcile(backends: Record<string, string>, options?: Partial<LaneOptions>): ReadonlyMap<string, unknown>;
  at(ms: number, action: () => void): void;
}

function play(script: (stage: Stage) => void, drainMs = 1000) {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  const context = testContext(scheduler);
  const sinks = new Map<string, FakeSink>();
  const outcomes: string[] = [];
  const full: string[] = [];
  const ended: number[] = [];
  scheduler.run(({ cold }) => {
    const lanes = openLanes(context, { drainMs });
    const spec = (name: string, marbles: string, options: Partial<LaneOptions>): LaneSpec => ({
      fingerprint: marbles,
      open: () => {
        const sink = fakeSink(scheduler, () => cold(marbles));
        sinks.set(`${name}/${marbles}`, sink);
        return { sink, options: { ...OPTIONS, ...options } };
      },
    });
    lanes.outcome$.subscribe({
      next: ({ backend, ending, reason, messages }) =>
        outcomes.push(`${scheduler.now()} ${backend} ${ending} ${reason} ${numbersOf(messages)}`),
      complete: () => ended.push(scheduler.now()),
    });
    lanes.full$.subscribe((isFull) => full.push(`${scheduler.now()} ${isFull}`));
    script({
      lanes,
      scheduler,
      context,
      sinks,
      reconcile: (backends, options = {}) =>
        lanes.reconcile(
          new Map(Object.entries(backends).map(([name, marbles]) => [name, spec(name, marbles, options)])),
        ),
      at: (ms, action) => {
        scheduler.schedule(action, ms);
      },
    });
  });
  return { outcomes, full, ended, sinks, context };
}

describe('invariant 2: a dead backend never slows another', () => {
  const dead = { hang: '-', refuse: '#', slow: `${'-'.repeat(900)}|` };

  test.each(Object.entries(dead))(
    'while one backend %ss, the others keep their full rate',
    (_name, marbles) => {
      const outcomesWith = (backends: Record<string, string>) =>
        play(({ lanes, at, reconcile }) => {
          reconcile(backends, { queueMaxBytes: 500, stallAfterMs: 0 });
          for (let n = 0; n < 200; n++) {
            at(2 * n, () => {
              lanes.offer(delivery([2 * n], { backend: 'dead' }));
              lanes.offer(delivery([2 * n + 1], { backend: 'live' }));
            });
          }
          at(450, () => lanes.close(0));
        });
      const { outcomes, full } = outcomesWith({ live: '-|', dead: marbles });
      const alive = (lines: readonly string[]) => lines.filter((line) => line.includes(' live '));
      expect(alive(outcomes)).toEqual(alive(outcomesWith({ live: '-|', dead: '|' }).outcomes));
      expect(alive(outcomes)).toHaveLength(200);
      expect(full).toEqual(['0 false']);
      expect(outcomes.filter((line) => line.includes(' dead '))).toHaveLength(200);
    },
  );

  test('its bound is its own', () => {
    const { full } = play(({ lanes, at, reconcile }) => {
      reconcile({ a: '-----|', b: '-----|' }, { queueMaxBytes: 150 });
      at(0, () => lanes.offer(delivery([1, 2], { backend: 'a' })));
      at(2, () => lanes.offer(delivery([3, 4], { backend: 'b' })));
    });
    expect(full).toEqual(['0 false', '0 true', '7 false']);
  });
});

describe('invariant 3: a reload touches nothing that did not change', () => {
  test('a lane of the same fingerprint goes on with the same sink', () => {
    const { outcomes, sinks, ended } = play(({ lanes, at, reconcile }) => {
      const before = reconcile({ a: '-----|' });
      lanes.offer(delivery([1], { backend: 'a' }));
      lanes.offer(delivery([2], { backend: 'a' }));
      at(2, () => expect(reconcile({ a: '-----|', b: '|' }).get('a')).toBe(before.get('a')));
    });
    expect([...sinks.keys()]).toEqual(['a/-----|', 'b/|']);
    expect(outcomes).toEqual(['5 a delivered ok 1', '10 a delivered ok 2']);
    expect(ended).toEqual([]);
  });

  test('a changed backend drains in its old lane while the new one already takes deliveries', () => {
    const { outcomes, sinks } = play(({ lanes, at, reconcile, sinks: opened }) => {
      reconcile({ a: '-----|' });
      lanes.offer(delivery([1], { backend: 'a' }));
      lanes.offer(delivery([2], { backend: 'a' }));
      at(2, () => {
        expect(reconcile({ a: '-|' }).get('a')).toBe(opened.get('a/-|'));
        lanes.offer(delivery([3], { backend: 'a' }));
        expect(lanes.stats().get('a')).toMatchObject({ inFlightMessages: 3, queueBytes: 300, oldestMs: 2 });
      });
    });
    expect(outcomes).toEqual(['3 a delivered ok 3', '5 a delivered ok 1', '10 a delivered ok 2']);
    expect(sinks.get('a/-----|')?.closedMs).toEqual([10]);
    expect(sinks.get('a/-|')?.closedMs).toEqual([]);
  });

  test('a removed backend drains and is closed; what still comes for it is a dead letter', () => {
    const { outcomes, sinks, context } = play(({ lanes, at, reconcile }) => {
      reconcile({ a: '-----|' });
      lanes.offer(delivery([1], { backend: 'a' }));
      at(2, () => {
        expect([...reconcile({}).keys()]).toEqual([]);
        lanes.offer(delivery([2], { backend: 'a' }));
      });
      at(6, () => expect([...lanes.stats().keys()]).toEqual([]));
    });
    expect(outcomes).toEqual(['2 a dead_lettered no_backend 2', '5 a delivered ok 1']);
    expect(sinks.get('a/-----|')?.closedMs).toEqual([5]);
    expect(context.deadLetters.letters).toEqual([
      {
        backend: 'a',
        reason: 'no_backend',
        error: 'no backend of this name is configured',
        attempts: 0,
        config: '',
        target: 't',
        messages: [message(2)],
      },
    ]);
  });

  test('draining has a deadline', () => {
    const { outcomes, sinks } = play(({ lanes, at, reconcile }) => {
      reconcile({ a: '-' });
      lanes.offer(delivery([1], { backend: 'a' }));
      at(10, () => reconcile({}));
    }, 300);
    expect(outcomes).toEqual(['310 a shed shutdown 1']);
    expect(sinks.get('a/-')?.closedMs).toEqual([310]);
  });

  test('a lane that drains makes nobody wait', () => {
    const { full } = play(({ lanes, at, reconcile }) => {
      reconcile({ a: '-----|' }, { queueMaxBytes: 150 });
      lanes.offer(delivery([1, 2], { backend: 'a' }));
      at(2, () => reconcile({ a: '-|' }));
    });
    expect(full).toEqual(['0 false', '0 true', '2 false']);
  });

  test('if a sink does not open, nothing changes and what was opened is closed', () => {
    const { outcomes, sinks } = play(({ lanes, at, reconcile, scheduler }) => {
      reconcile({ a: '-----|' });
      const opened = fakeSink(scheduler, () => NEVER);
      const broken = new Map<string, LaneSpec>([
        ['a', { fingerprint: 'new', open: () => ({ sink: opened, options: OPTIONS }) }],
        [
          'b',
          {
            fingerprint: 'x',
            open: () => {
              throw new Error('no such folder');
            },
          },
        ],
      ]);
      at(1, () => {
        expect(() => lanes.reconcile(broken)).toThrow('no such folder');
        expect(opened.closedMs).toEqual([1]);
        lanes.offer(delivery([1], { backend: 'a' }));
      });
    });
    expect(outcomes).toEqual(['6 a delivered ok 1']);
    expect(sinks.get('a/-----|')?.closedMs).toEqual([]);
  });

  test('the dead letters name the configuration, and never by the fingerprint, which may hold secrets', () => {
    const configOf = (options: Partial<LaneOptions>) => {
      const { context } = play(({ lanes, reconcile }) => {
        reconcile({ a: '#' }, { retry: { initialMs: 1, maxMs: 1, maxAttempts: 1 }, ...options });
        lanes.offer(delivery([1], { backend: 'a' }));
      });
      return context.deadLetters.letters[0]?.config;
    };
    expect([configOf({ configHash: 'c0ffee' }), configOf({})]).toEqual(['c0ffee', '']);
  });

  test('10,000 reloads leave nothing behind', () => {
    const scheduler = new TestScheduler(() => {});
    const lanes = openLanes(testContext(scheduler));
    let outcomes = 0;
    lanes.outcome$.subscribe(() => outcomes++);
    const closed = new Set<number>();
    for (let n = 0; n < 10_000; n++) {
      const open = () => {
        const close = (): Observable<never> => {
          closed.add(n);
          return EMPTY;
        };
        const sink = fakeSink(scheduler, () => EMPTY, undefined, close);
        return { sink, options: OPTIONS };
      };
      lanes.reconcile(new Map([['a', { fingerprint: `${n}`, open }]]));
      lanes.offer(delivery([n], { backend: 'a' }));
    }
    expect(outcomes).toBe(10_000);
    expect(closed.size).toBe(9999);
    expect(lanes.stats().size).toBe(1);
    expect(scheduler.actions).toEqual([]);
  });
});

describe('closing', () => {
  test('closes every lane, and then the streams end', () => {
    const { outcomes, ended } = play(({ lanes, reconcile }) => {
      reconcile({ a: '-|', b: '---|' });
      lanes.offer(delivery([1], { backend: 'a' }));
      lanes.offer(delivery([2], { backend: 'b' }));
      lanes.close(100);
    });
    expect(outcomes).toEqual(['1 a delivered ok 1', '3 b delivered ok 2']);
    expect(ended).toEqual([3]);
  });

  test('without any lane it ends at once', () => {
    const { ended } = play(({ lanes }) => lanes.close(100));
    expect(ended).toEqual([0]);
  });

  test('its deadline holds for lanes that drain as well', () => {
    const { ended } = play(({ lanes, at, reconcile }) => {
      reconcile({ a: '-' });
      lanes.offer(delivery([1], { backend: 'a' }));
      at(10, () => reconcile({}));
      at(20, () => lanes.close(50));
    });
    expect(ended).toEqual([70]);
  });

  test('a second call may bring the deadline nearer', () => {
    const { ended } = play(({ lanes, at, reconcile }) => {
      reconcile({ a: '-' });
      lanes.offer(delivery([1], { backend: 'a' }));
      at(10, () => lanes.close(500));
      at(20, () => lanes.close(30));
    });
    expect(ended).toEqual([50]);
  });

  test('a reload meanwhile changes nothing', () => {
    const { sinks } = play(({ lanes, at, reconcile }) => {
      reconcile({ a: '-----|' });
      lanes.offer(delivery([1], { backend: 'a' }));
      lanes.close(100);
      at(1, () => expect([...reconcile({ b: '|' }).keys()]).toEqual(['a']));
    });
    expect([...sinks.keys()]).toEqual(['a/-----|']);
  });
});

describe('accept', () => {
  test('an outcome of routing passes', () => {
    const { outcomes, context } = play(({ lanes }) => {
      lanes.accept(outcome('filtered', 'a', 'filter', [message(1)]));
      lanes.accept(outcome('shed', 'a', 'sampled', [message(2)]));
    });
    expect(outcomes).toEqual(['0 a filtered filter 1', '0 a shed sampled 2']);
    expect(context.deadLetters.letters).toEqual([]);
  });

  test('a dead letter of routing is written', () => {
    const { outcomes, context } = play(({ lanes }) => {
      lanes.accept(outcome('dead_lettered', 'a', 'operator:redact', [message(1)]));
    });
    expect(outcomes).toEqual(['0 a dead_lettered operator:redact 1']);
    expect(context.deadLetters.letters).toEqual([
      expect.objectContaining({
        backend: 'a',
        reason: 'operator:redact',
        attempts: 0,
        messages: [message(1)],
      }),
    ]);
  });

  test('if it cannot be written the outcome says so', () => {
    const scheduler = new TestScheduler(() => {});
    const lanes = openLanes(withoutDisk(testContext(scheduler)));
    const reasons: string[] = [];
    lanes.outcome$.subscribe(({ reason }) => reasons.push(reason));
    lanes.accept(outcome('dead_lettered', 'a', 'operator:redact', [message(1)]));
    lanes.offer(delivery([2]));
    expect(reasons).toEqual(['operator:redact_unwritten', 'no_backend_unwritten']);
  });
});

describe('deliver', () => {
  const routed = { a: delivery([1]), b: delivery([2]), f: outcome('filtered', 'b', 'filter', [message(3)]) };
  const delivered = (n: number) => outcome('delivered', 'b', 'ok', [message(n)]);

  /** Feeds `input` to a lane whose sink answers so; it has 10 ms to close. */
  function expectDelivery(input: string, output: string, answer = '--|', unsubscribe?: string): void {
    const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
    scheduler.run(({ cold, expectObservable }) => {
      const lanes = openLanes(testContext(scheduler));
      const open = () => ({ sink: fakeSink(scheduler, () => cold(answer)), options: OPTIONS });
      lanes.reconcile(new Map([['b', { fingerprint: '1', open }]]));
      const lost = outcome('shed', 'b', 'shutdown', routed.a.batch.messages);
      const values = { A: delivered(1), B: delivered(2), f: routed.f, L: lost };
      const out$ = cold<Routed>(input, routed).pipe(deliver(lanes, () => 10));
      expectObservable(out$, unsubscribe).toBe(output, values);
    });
  }

  test('deliveries come out as outcomes, outcomes pass', () => expectDelivery('ab-f---', '--AfB--'));
  test('the end of the input closes the lanes, then it completes', () => expectDelivery('ab|', '--A-(B|)'));
  test('… after its time if need be', () => expectDelivery('a--|', '---- 9ms (L|)', '-'));
  test('… at once if nothing waits', () => expectDelivery('a---|', '--A-|'));
  test('never and empty', () => {
    expectDelivery('-', '-');
    expectDelivery('|', '|');
  });
  test('an error of the input is an error', () => expectDelivery('a---#', '--A-#'));
  test('unsubscribed early, it is silent', () => expectDelivery('ab|', '--A', '--|', '---!'));

  test('a sink that answers at once misses no outcome', () => {
    const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
    scheduler.run(({ cold, expectObservable }) => {
      const lanes = openLanes(testContext(scheduler));
      const open = () => ({ sink: fakeSink(scheduler, () => EMPTY), options: OPTIONS });
      lanes.reconcile(new Map([['b', { fingerprint: '1', open }]]));
      expectObservable(cold<Routed>('a-b', routed).pipe(deliver(lanes, () => 10))).toBe('A-B', {
        A: delivered(1),
        B: delivered(2),
      });
    });
  });

  test('unsubscribing stops the input, not the lanes', () => {
    const { outcomes } = play(({ lanes, at, reconcile }) => {
      reconcile({ b: '--|' });
      const input = new Subject<Routed>();
      const subscription = input.pipe(deliver(lanes, () => 10)).subscribe();
      input.next(routed.a);
      at(1, () => {
        subscription.unsubscribe();
        input.next(routed.b);
      });
    });
    expect(outcomes).toEqual(['2 b delivered ok 1']);
  });
});
