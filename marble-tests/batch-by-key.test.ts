import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  BehaviorSubject,
  filter,
  groupBy,
  map,
  merge,
  mergeMap,
  NEVER,
  type Observable,
  of,
  Subject,
  scan,
  timer,
  toArray,
  VirtualTimeScheduler,
} from 'rxjs';
import { type RunHelpers, TestScheduler } from 'rxjs/testing';
import { type BatchLimits, batchByKey, type Keyed } from '../src/flow/batch-by-key.ts';
import { collectGarbage } from '../test/deliver/garbage.ts';

const LIMITS: BatchLimits<string> = {
  maxCount: 3,
  maxAgeMs: 5,
  maxBytes: 100,
  maxOpenBytes: 1000,
  isUrgent: (item) => item === 'u',
};

/** Keys: lower case x, upper case y. An item is as long as its text says, `a` 1 byte. */
const options = (scheduler: TestScheduler, limits$: Observable<BatchLimits<string>>) => ({
  key: (item: string) => (item === item.toLowerCase() ? 'x' : 'y'),
  bytes: () => 10,
  limits$,
  scheduler,
});
const show = ({ items, bytes, reason }: Keyed<string>) => `${items.join('')} ${bytes} ${reason}`;

const run = (body: (helpers: RunHelpers, scheduler: TestScheduler) => void) => {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  scheduler.run((helpers) => body(helpers, scheduler));
  // No timer outlives its use: the run would have gone on.
  expect(scheduler.now()).toBeLessThan(100);
};

function expectBatches(
  source: string,
  limits: Partial<BatchLimits<string>>,
  expected: string,
  values: Record<string, string> = {},
  subscriptions?: string,
): void {
  run(({ hot, expectObservable, expectSubscriptions }, scheduler) => {
    const source$ = hot(source);
    const limits$ = merge(of({ ...LIMITS, ...limits }), NEVER);
    expectObservable(source$.pipe(batchByKey(options(scheduler, limits$)), map(show))).toBe(expected, values);
    if (subscriptions !== undefined) expectSubscriptions(source$.subscriptions).toBe(subscriptions);
  });
}

describe('batchByKey closes a batch', () => {
  test('never, empty', () => {
    expectBatches('---', {}, '---', {}, '^--');
    expectBatches('--|', {}, '--|', {}, '^-!');
  });

  test('at its count', () => {
    expectBatches('abcabc-|', {}, '--x--x-|', { x: 'abc 30 count' }, '^------!');
    expectBatches('aAbBcC-|', {}, '----xy-|', { x: 'abc 30 count', y: 'ABC 30 count' });
    expectBatches('ab-|', { maxCount: 1 }, 'xy-|', { x: 'a 10 count', y: 'b 10 count' });
  });

  test('at its bytes', () => {
    expectBatches('abc|', { maxBytes: 20 }, '-x-(y|)', { x: 'ab 20 bytes', y: 'c 10 flush' });
    expectBatches('ab|', { maxBytes: 1 }, 'xy|', { x: 'a 10 bytes', y: 'b 10 bytes' });
  });

  test('at the age of its first item, by itself or not', () => {
    expectBatches('-a--b------|', {}, '------x----|', { x: 'ab 20 age' });
    expectBatches('-a-B-------|', {}, '------x-y--|', { x: 'a 10 age', y: 'B 10 age' });
    expectBatches('a-----b----------|', {}, '-----x-----y-----|', { x: 'a 10 age', y: 'b 10 age' });
  });

  test('at once at an urgent item, which it includes, and no other key', () => {
    expectBatches('aAu-|', {}, '--x-(y|)', { x: 'au 20 critical', y: 'A 10 flush' });
    expectBatches('u--|', {}, 'x--|', { x: 'u 10 critical' });
    expectBatches('abu|', {}, '--x|', { x: 'abu 30 critical' });
  });

  test('of the oldest when all are too large together', () => {
    const limits = { maxOpenBytes: 25 };
    expectBatches('aBB-|', limits, '--x-(y|)', { x: 'a 10 bytes', y: 'BB 20 flush' });
    expectBatches('aB-|', { maxOpenBytes: 5 }, 'xy-|', { x: 'a 10 bytes', y: 'B 10 bytes' });
  });

  test('on completion and before an error, in the order in which they were opened', () => {
    expectBatches('Aab|', {}, '---(yx|)', { x: 'ab 20 flush', y: 'A 10 flush' });
    expectBatches('Aab#', {}, '---(yx#)', { x: 'ab 20 flush', y: 'A 10 flush' }, '^--!');
  });

  test('a callback that throws is an error of the result', () => {
    const isUrgent = (item: string) => {
      if (item === 'b') throw 'error';
      return false;
    };
    expectBatches('-ab-|', { isUrgent }, '--#', {}, '^-!');
  });

  test('not after unsubscribing', () => {
    run(({ hot, expectObservable, expectSubscriptions }, scheduler) => {
      const source$ = hot('a-----b--');
      const limits$ = hot('l--------', { l: LIMITS });
      const actual$ = source$.pipe(batchByKey(options(scheduler, merge(of(LIMITS), limits$))), map(show));
      expectObservable(actual$, '^--!').toBe('----');
      expectSubscriptions(source$.subscriptions).toBe('^--!');
      expectSubscriptions(limits$.subscriptions).toBe('^--!');
    });
  });
});

describe('batchByKey takes new limits', () => {
  const live = (
    source: string,
    limits: string,
    next: Partial<BatchLimits<string>>,
    expected: string,
    values: object,
  ) =>
    run(({ hot, expectObservable }, scheduler) => {
      const limits$ = merge(of(LIMITS), hot(limits, { n: { ...LIMITS, ...next } }));
      const actual$ = hot(source).pipe(batchByKey(options(scheduler, limits$)), map(show));
      expectObservable(actual$).toBe(expected, values);
    });

  test('a shorter age closes at the new age, or at once', () => {
    live('a--------|', '-n', { maxAgeMs: 3 }, '---x-----|', { x: 'a 10 age' });
    live('a--------|', '---n', { maxAgeMs: 2 }, '---x-----|', { x: 'a 10 age' });
  });

  test('a longer age holds on', () => {
    live('a--------|', '-n', { maxAgeMs: 7 }, '-------x-|', { x: 'a 10 age' });
  });

  test('a smaller count and fewer bytes close at once what is past them', () => {
    live('abA---|', '---n', { maxCount: 2 }, '---x--(y|)', { x: 'ab 20 count', y: 'A 10 flush' });
    live('abA---|', '---n', { maxBytes: 20 }, '---x--(y|)', { x: 'ab 20 bytes', y: 'A 10 flush' });
  });

  test('what is urgent', () => {
    live('-a-a-|', '--n', { isUrgent: () => true }, '---x-|', { x: 'aa 20 critical' });
  });
});

describe('batchByKey', () => {
  interface Stage {
    readonly scheduler: VirtualTimeScheduler;
    readonly source$: Subject<string>;
    readonly limits$: BehaviorSubject<BatchLimits<string>>;
    readonly seen: string[];
  }
  function stage(limits: Partial<BatchLimits<string>> = {}, onBatch: (s: Stage) => void = () => {}): Stage {
    const scheduler = new VirtualTimeScheduler();
    const limits$ = new BehaviorSubject({ ...LIMITS, ...limits });
    const made: Stage = { scheduler, source$: new Subject(), limits$, seen: [] };
    made.source$
      .pipe(batchByKey({ key: (item) => item, bytes: () => 10, limits$, scheduler }), map(show))
      .subscribe((text) => {
        made.seen.push(text);
        onBatch(made);
      });
    return made;
  }

  test('has one timer for all keys, and none when idle', () => {
    const { scheduler, source$ } = stage();
    expect(scheduler.actions).toHaveLength(0);
    for (let n = 0; n < 500; n++) source$.next(`key ${n}`);
    expect(scheduler.actions).toHaveLength(1);
    scheduler.flush();
    expect(scheduler.actions).toHaveLength(0);
  });

  test('closes what it cannot tell the age of when the clock is set back', () => {
    let nowMs = 1000;
    const scheduler = new VirtualTimeScheduler();
    scheduler.now = () => nowMs;
    const source$ = new Subject<string>();
    const seen: string[] = [];
    source$
      .pipe(
        batchByKey({ key: (item) => item, bytes: () => 1, limits$: new BehaviorSubject(LIMITS), scheduler }),
        map(show),
      )
      .subscribe((text) => seen.push(text));
    source$.next('a');
    nowMs = 0;
    source$.next('b');
    expect(scheduler.actions).toHaveLength(1);
    expect(scheduler.actions[0]?.delay).toBe(5);
    nowMs = 5;
    scheduler.flush();
    expect(seen).toEqual(['a 1 age', 'b 1 age']);
  });

  test('forgets idle keys past ten thousand, and none that is open', () => {
    const { source$, seen } = stage({ maxCount: 2, maxOpenBytes: 1e9 });
    source$.next('open');
    for (let n = 0; n < 25_000; n++) for (let twice = 0; twice < 2; twice++) source$.next(`key ${n}`);
    expect(seen).toHaveLength(25_000);
    source$.next('open');
    expect(seen.at(-1)).toBe('openopen 20 count');
  });

  test('keeps no more idle keys than that in memory', async () => {
    const source$ = new Subject<object>();
    const limits$ = new BehaviorSubject({ ...LIMITS, maxCount: 1, isUrgent: () => false });
    const scheduler = new VirtualTimeScheduler();
    source$.pipe(batchByKey({ key: (item) => item, bytes: () => 1, limits$, scheduler })).subscribe();
    const keys = Array.from({ length: 25_000 }, () => {
      const key = {};
      source$.next(key);
      return new WeakRef(key);
    });
    const kept = () => keys.filter((key) => key.deref() !== undefined).length;
    await collectGarbage(() => kept() <= 10_000);
    expect(kept()).toBeLessThanOrEqual(10_000);
  });

  test('an item sent back from inside a batch starts the next', () => {
    let sent = 0;
    const { source$, seen } = stage({ maxCount: 1 }, (made) => {
      if (sent++ < 3) made.source$.next('a');
    });
    source$.next('a');
    expect(seen).toEqual(Array(4).fill('a 10 count'));
  });

  test('items sent back while new limits close batches', () => {
    const { source$, limits$, seen } = stage({ maxCount: 9 }, (made) => {
      if (made.seen.length === 1) made.source$.next('b');
    });
    for (const item of 'abbc') source$.next(item);
    limits$.next({ ...LIMITS, maxCount: 1 });
    expect(seen).toEqual(['a 10 count', 'bbb 30 count', 'c 10 count']);
  });
});

interface Item {
  readonly atMs: number;
  readonly key: number;
  readonly size: number;
  readonly urgent: boolean;
  readonly n: number;
}
const itemList = fc
  .array(
    fc.record({
      gapMs: fc.nat(4),
      key: fc.nat(3),
      size: fc.integer({ min: 1, max: 9 }),
      urgent: fc.nat(9).map((n) => n === 0),
    }),
    { maxLength: 60 },
  )
  .map((items) => {
    let atMs = 0;
    return items.map(({ gapMs, ...item }, n): Item => {
      atMs += gapMs;
      return { ...item, atMs, n };
    });
  });
const anyLimits = fc.record({
  maxCount: fc.integer({ min: 1, max: 5 }),
  maxAgeMs: fc.integer({ min: 1, max: 12 }),
  maxBytes: fc.integer({ min: 1, max: 30 }),
});

/** Feeds the items at their times; what came out, with its time. */
function play(
  items: readonly Item[],
  operate: (source$: Observable<Item>, scheduler: VirtualTimeScheduler) => Observable<readonly Item[]>,
): unknown[] {
  const scheduler = new VirtualTimeScheduler();
  const source$ = new Subject<Item>();
  const seen: unknown[] = [];
  for (const item of items) scheduler.schedule(() => source$.next(item), item.atMs);
  scheduler.schedule(() => source$.complete(), (items.at(-1)?.atMs ?? 0) + 3);
  operate(source$, scheduler).subscribe({
    next: (batch) => seen.push([scheduler.now(), ...batch.map(({ n }) => n)]),
    complete: () => seen.push([scheduler.now(), '|']),
  });
  scheduler.flush();
  return seen;
}

describe('batchByKey on random input', () => {
  test('equals groupBy with a duration and toArray', () => {
    fc.assert(
      fc.property(itemList, anyLimits, (items, { maxCount, maxAgeMs, maxBytes }) => {
        const limits = {
          maxCount,
          maxAgeMs,
          maxBytes,
          maxOpenBytes: 1e9,
          isUrgent: ({ urgent }: Item) => urgent,
        };
        const keyed = play(items, (source$, scheduler) =>
          source$.pipe(
            batchByKey({ key: ({ key }) => key, bytes: ({ size }) => size, limits$: of(limits), scheduler }),
            map(({ items: batch }) => batch),
          ),
        );
        const plain = play(items, (source$, scheduler) =>
          source$.pipe(
            groupBy(({ key }) => key, {
              duration: (group$) =>
                merge(
                  timer(maxAgeMs, scheduler),
                  group$.pipe(
                    scan(
                      (sum, { size, urgent }) => ({ count: sum.count + 1, bytes: sum.bytes + size, urgent }),
                      { count: 0, bytes: 0, urgent: false },
                    ),
                    filter((sum) => sum.urgent || sum.count >= maxCount || sum.bytes >= maxBytes),
                  ),
                ),
            }),
            // mergeMap: groups go on side by side
            mergeMap((group$) => group$.pipe(toArray())),
          ),
        );
        expect(keyed).toEqual(plain);
      }),
      { numRuns: 500 },
    );
  });

  test('keeps every item once, in order within its key, and never more open than allowed', () => {
    fc.assert(
      fc.property(itemList, anyLimits, fc.integer({ min: 1, max: 20 }), (items, some, maxOpenBytes) => {
        let open = 0;
        const batches: Keyed<Item>[] = [];
        play(items, (source$, scheduler) =>
          source$.pipe(
            map((item) => {
              expect(open).toBeLessThanOrEqual(maxOpenBytes);
              open += item.size;
              return item;
            }),
            batchByKey({
              key: ({ key }) => key,
              bytes: ({ size }) => size,
              limits$: of({ ...some, maxOpenBytes, isUrgent: ({ urgent }: Item) => urgent }),
              scheduler,
            }),
            map((batch) => {
              open -= batch.bytes;
              batches.push(batch);
              return batch.items;
            }),
          ),
        );
        expect(open).toBe(0);
        for (const key of [0, 1, 2, 3]) {
          const of = (item: Item) => item.key === key;
          expect(batches.flatMap((batch) => batch.items.filter(of))).toEqual(items.filter(of));
        }
        for (const { items: batch, bytes } of batches) {
          expect(batch.length).toBeGreaterThan(0);
          expect(bytes).toBe(batch.reduce((sum, { size }) => sum + size, 0));
        }
      }),
      { numRuns: 300 },
    );
  });
});

test('a key that is hurried is sent at once, others wait', () => {
  run(({ hot, expectObservable }, scheduler) => {
    const limits$ = merge(of(LIMITS), NEVER);
    const hurry$ = hot('--x-u-x-|');
    const source$ = hot('aA----------|');
    const out$ = source$.pipe(batchByKey({ ...options(scheduler, limits$), hurry$ }), map(show));
    expectObservable(out$).toBe('--a---b-----|', { a: 'a 10 flush', b: 'A 10 age' });
  });
});

test('what waits in open batches can be listed, the oldest batch first', () => {
  run(({ hot, flush }, scheduler) => {
    let waiting: () => readonly string[] = () => ['never told'];
    const onOpen = (list: () => readonly string[]) => {
      waiting = list;
    };
    const limits$ = merge(of(LIMITS), NEVER);
    const seen: string[] = [];
    for (const ms of [2, 3, 30]) scheduler.schedule(() => seen.push(waiting().join('')), ms);
    hot('aAa')
      .pipe(batchByKey({ ...options(scheduler, limits$), onOpen }))
      .subscribe();
    flush();
    expect(seen).toEqual(['aA', 'aaA', '']);
  });
});
