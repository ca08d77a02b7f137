import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { EMPTY, Observable, throwError, timer } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import type { Batch } from '../src/batch.ts';
import type { LaneOptions } from '../src/deliver/lane.ts';
import { type LaneSpec, openLanes } from '../src/deliver/lanes.ts';
import { Partly, Permanent, type Sink, type Target, Throttled } from '../src/deliver/sink.ts';
import type { Message } from '../src/message.ts';
import { delivery, message, numberOf, OPTIONS, testContext } from '../test/deliver/fixtures.ts';

const BEHAVIOURS = [
  'accept',
  'slow',
  'fail',
  'fail late',
  'hang',
  'throttle',
  'throw',
  'end twice',
  'take a part',
  'take a part and fail',
] as const;
const POISON = 7;
const PRIORITY_OF_TYPE: Record<string, number> = { progress: 2 };

const isPoison = (one: Message) => numberOf(one) % POISON === 0;

/** Takes the first half but the poison in it. */
function halfOf({ messages }: Batch, cause?: Error): Partly {
  const middle = Math.ceil(messages.length / 2);
  const refused = messages.slice(0, middle).filter(isPoison);
  return new Partly('half of it', {
    refused: new Map(refused.map((one) => [one, `poison ${numberOf(one) % 2}`])),
    unsent: new Set(messages.slice(middle)),
    cause,
  });
}

interface Accepted {
  readonly line: string;
  readonly n: number;
}

/** A sink that follows a script and notes whatever breaks its contract. */
function scriptedSink(
  scheduler: TestScheduler,
  script: readonly (typeof BEHAVIOURS)[number][],
  concurrency: number,
  accepted: Accepted[],
  broken: string[],
): Sink & { closes: number } {
  const busy = new Map<string, number>();
  let sends = 0;

  const answer = (batch: Batch): Observable<unknown> => {
    const poisoned = batch.messages.some(isPoison);
    const end = poisoned ? throwError(() => new Permanent('poison')) : EMPTY;
    const after = (ms: number, end$: Observable<unknown>) =>
      new Observable((subscriber) => timer(ms, scheduler).subscribe(() => end$.subscribe(subscriber)));
    switch (script[sends++ % script.length]) {
      case 'slow':
        return after(7, end);
      case 'fail':
        return throwError(() => new Error('refused'));
      case 'fail late':
        return after(
          3,
          throwError(() => 'reset'),
        );
      case 'hang':
        return new Observable();
      case 'throttle':
        return throwError(() => new Throttled('later', 5));
      case 'take a part':
        return after(
          2,
          throwError(() => halfOf(batch)),
        );
      case 'take a part and fail':
        return throwError(() => halfOf(batch, new Error('cut off')));
      case 'throw':
        throw new TypeError('bug');
      case 'end twice':
        return new Observable((subscriber) => {
          end.subscribe(subscriber);
          subscriber.error(new Error('after the end'));
        });
      default:
        return after(1, end);
    }
  };

  const sink = {
    closes: 0,
    merge: { maxMessages: 6, maxBytes: 10_000 },
    address: () => ({ perMessage: false, target: () => ({ key: 't' }) }),
    send: (batch: Batch, { key }: Target) => {
      if (sink.closes > 0) broken.push('send after close');
      if (busy.has(key)) broken.push(`two sends to ${key}`);
      if (busy.size >= concurrency) broken.push('too many sends');
      const answer$ = answer(batch);
      const accept = (messages: readonly Message[]) => {
        for (const each of messages) {
          accepted.push({ line: `${key} ${PRIORITY_OF_TYPE[each.type] ?? 0}`, n: numberOf(each) });
        }
      };
      return new Observable((subscriber) => {
        busy.set(key, 1);
        const sending = answer$.subscribe({
          error: (error) => {
            busy.delete(key);
            if (error instanceof Partly) {
              accept(batch.messages.filter((each) => !error.refused.has(each) && !error.unsent.has(each)));
            }
            subscriber.error(error);
          },
          complete: () => {
            busy.delete(key);
            accept(batch.messages);
            subscriber.complete();
          },
        });
        return () => {
          busy.delete(key);
          sending.unsubscribe();
        };
      });
    },
    close: () => {
      sink.closes++;
      if (busy.size > 0) broken.push('closed while sending');
      return EMPTY;
    },
  };
  return sink;
}

const anyOptions: fc.Arbitrary<LaneOptions> = fc.record({
  queueMaxBytes: fc.constantFrom(300, 1000, 1_000_000),
  concurrency: fc.integer({ min: 1, max: 3 }),
  sendTimeoutMs: fc.constant(20),
  merge: fc.record({ maxMessages: fc.constantFrom(1, 4, 100), maxAgeMs: fc.constantFrom(0, 0, 8) }),
  retry: fc.record({
    initialMs: fc.constant(4),
    maxMs: fc.constant(30),
    maxAttempts: fc.constantFrom(1, 3, Number.POSITIVE_INFINITY),
  }),
  breaker: fc.record({ failures: fc.integer({ min: 1, max: 4 }), resetAfterMs: fc.constantFrom(1, 25) }),
  stallAfterMs: fc.constantFrom(0, 10, 1000),
});

const anyOffer = fc.record({
  kind: fc.constant('offer' as const),
  backend: fc.constantFrom('a', 'a', 'a', 'b', 'unknown'),
  types: fc.array(fc.constantFrom('event', 'metric', 'error'), { minLength: 1, maxLength: 5 }),
  fields: fc.record({
    target: fc.constantFrom('t', 'u', 'v'),
    whenFull: fc.constantFrom('shed' as const, 'shed' as const, 'block' as const),
    reason: fc.constantFrom('count' as const, 'critical' as const),
  }),
  /** Progress has a rule of its own, of low priority. */
  progress: fc.boolean(),
});

const anyLife = fc.record({
  options: anyOptions,
  script: fc.array(fc.constantFrom(...BEHAVIOURS, 'accept' as const, 'accept' as const), {
    minLength: 1,
    maxLength: 12,
  }),
  steps: fc.array(
    fc.oneof(
      { weight: 8, arbitrary: anyOffer },
      { weight: 4, arbitrary: fc.record({ kind: fc.constant('wait' as const), ms: fc.nat(12) }) },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('reload' as const), a: fc.nat(2), b: fc.nat(2) }),
      },
    ),
    { maxLength: 40 },
  ),
  drainMs: fc.constantFrom(0, 15, 1000),
  closeMs: fc.constantFrom(0, 15, 1000),
});

type Life = typeof anyLife extends fc.Arbitrary<infer T> ? T : never;

/** Lives a life and says what was offered, what came out, and what the sinks saw. */
function live({ options, script, steps, drainMs, closeMs }: Life, random: () => number) {
  const scheduler = new TestScheduler(() => {});
  const lanes = openLanes(testContext(scheduler, random), { drainMs });
  const offered = new Map<number, string>();
  const endings: { n: number; backend: string; ending: string; reason: string }[] = [];
  const sinks: { sink: Sink & { closes: number }; accepted: Accepted[] }[] = [];
  const broken: string[] = [];
  let completed = false;
  let n = 0;

  const spec = (fingerprint: string): LaneSpec => ({
    fingerprint,
    open: () => {
      const accepted: Accepted[] = [];
      const sink = scriptedSink(scheduler, script, options.concurrency, accepted, broken);
      sinks.push({ sink, accepted });
      return { sink, options: { ...OPTIONS, ...options } };
    },
  });
  /** Version 0 of a backend is none. */
  const reconcile = (a: number, b: number) =>
    lanes.reconcile(
      new Map(
        Object.entries({ a, b }).flatMap(([name, version]) => (version ? [[name, spec(`${version}`)]] : [])),
      ),
    );
  const inFlight = () =>
    [...lanes.stats().values()].reduce((sum, { inFlightMessages }) => sum + inFlightMessages, 0);

  const offer = ({
    backend,
    types,
    fields,
    progress,
  }: typeof anyOffer extends fc.Arbitrary<infer T> ? T : never) => {
    const messages: Message[] = types.map((type) => {
      offered.set(n, backend);
      if (progress) return message(n++, { type: 'progress', severity: 0 });
      return type === 'error' ? message(n++, { severity: 5 }) : message(n++, { type, severity: 0 });
    });
    lanes.offer(delivery(messages, { ...fields, backend, priority: progress ? 2 : 0 }));
  };

  scheduler.run(() => {
    lanes.outcome$.subscribe({
      next: ({ backend, ending, reason, messages }) => {
        for (const each of messages) endings.push({ n: numberOf(each), backend, ending, reason });
      },
      complete: () => {
        completed = true;
      },
    });
    let ms = 0;
    const at = (action: () => void) => scheduler.schedule(action, ms);
    reconcile(1, 1);
    for (const step of steps) {
      if (step.kind === 'wait') ms += step.ms;
      else if (step.kind === 'reload') at(() => void reconcile(step.a, step.b));
      else at(() => offer(step));
      at(() => {
        if (inFlight() !== offered.size - endings.length) broken.push(`${inFlight()} in flight at ${ms}`);
      });
    }
    at(() => lanes.close(closeMs));
  });
  return { offered, endings, sinks, broken, completed, inFlight: inFlight() };
}

const REASONS: Record<string, readonly string[]> = {
  delivered: ['ok'],
  shed: ['queue_full', 'shutdown'],
  dead_lettered: ['permanent', 'retries_exhausted', 'queue_full', 'no_backend'],
};

test('invariant 1: conservation. Whatever happens, each message ends once, and as the sinks saw it', () => {
  fc.assert(
    fc.property(
      anyLife,
      fc.array(fc.double({ min: 0, max: 0.99, noNaN: true }), { minLength: 1 }),
      (life, dice) => {
        let rolls = 0;
        const { offered, endings, sinks, broken, completed, inFlight } = live(
          life,
          () => dice[rolls++ % dice.length]!,
        );

        expect(broken).toEqual([]);
        expect([completed, inFlight]).toEqual([true, 0]);
        // Each message once, at its backend.
        expect(endings.map(({ n }) => n).toSorted((a, b) => a - b)).toEqual([...offered.keys()]);
        for (const { n, backend, ending, reason } of endings) {
          expect(backend).toBe(offered.get(n));
          expect(REASONS[ending]).toContain(reason);
          if (ending === 'delivered') expect(n % POISON).not.toBe(0);
          if (reason === 'permanent') expect(n % POISON).toBe(0);
        }
        // Delivered is what a sink accepted, no more and no less.
        const delivered = endings.filter(({ ending }) => ending === 'delivered').map(({ n }) => n);
        const accepted = sinks.flatMap((each) => each.accepted.map(({ n }) => n));
        expect(accepted.toSorted()).toEqual(delivered.toSorted());
        // Order: of one target and priority nothing overtakes.
        for (const { sink, accepted: all } of sinks) {
          expect(sink.closes).toBe(1);
          for (const line of new Set(all.map((each) => each.line))) {
            const order = all.filter((each) => each.line === line).map(({ n }) => n);
            expect(order).toEqual(order.toSorted((a, b) => a - b));
          }
        }
      },
    ),
    { numRuns: 500 },
  );
}, 120_000);

test('… in lives that see all of it', () => {
  const seen = new Set<string>();
  for (const life of fc.sample(anyLife, { numRuns: 300, seed: 1 })) {
    for (const { ending, reason } of live(life, () => 0.5).endings) seen.add(`${ending} ${reason}`);
  }
  expect([...seen].sort()).toEqual(
    Object.entries(REASONS)
      .flatMap(([ending, reasons]) => reasons.map((reason) => `${ending} ${reason}`))
      .sort(),
  );
});
