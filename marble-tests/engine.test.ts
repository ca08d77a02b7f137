import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  EMPTY,
  filter,
  map,
  mergeMap,
  NEVER,
  of,
  Subject,
  tap,
  throwError,
  timer,
  VirtualTimeScheduler,
} from 'rxjs';
import type { Config } from '../src/config/schema.ts';
import { memoryDeadLetters } from '../src/deliver/dead-letters.ts';
import { Permanent } from '../src/deliver/sink.ts';
import type { Connection } from '../src/ingest/connection.ts';
import type { Operator } from '../src/route/operator.ts';
import type { Draft } from '../src/sidecar/draft.ts';
import { createEngine } from '../src/sidecar/engine.ts';
import { laneOptions } from '../src/sidecar/settings.ts';
import { MUTE } from '../test/ingest/harness.ts';
import { loaded, routing, type Send, sinkOf, typesOf } from '../test/route/planned.ts';
import { recordingContext } from '../test/route/support.ts';

/** Passes each job id once, for ever. */
const once: Operator = () => (message$) => {
  const seen = new Set<string>();
  return message$.pipe(filter(({ jobId }) => !seen.has(jobId) && seen.add(jobId) !== undefined));
};
/** Holds each message for 30 ms. */
const late: Operator = (_, context) => (message$) => {
  let count = 0;
  context.holding(() => count);
  return message$.pipe(
    tap(() => count++),
    // mergeMap: each waits by itself
    mergeMap((message) => timer(30, context.scheduler).pipe(map(() => message))),
    tap(() => count--),
  );
};
const operators = { once, late };

interface StageOptions {
  readonly send?: (backend: string) => Send;
}

/** An engine on recording sinks, fed with lines, in virtual time. */
function stage(first: Config, { send = () => () => EMPTY }: StageOptions = {}) {
  const scheduler = new VirtualTimeScheduler();
  const events: string[] = [];
  const sends: Record<string, string[]> = {};
  const counts = { received: 0, added: {} as Record<string, number> };
  const context = {
    ...recordingContext(scheduler),
    counters: {
      received: () => counts.received++,
      rejected: () => {},
      batched: () => {},
      added: (backend: string, count: number) => {
        counts.added[backend] = (counts.added[backend] ?? 0) + count;
      },
      operatorFailed: () => {},
    },
  };
  const sinks = typesOf((_, { backend }) => {
    events.push(`open ${backend}`);
    const answer = send(backend);
    return sinkOf(
      (batch, target) => {
        sends[backend] = [
          ...(sends[backend] ?? []),
          ...batch.messages.map(({ jobId }) => `${target.key} ${jobId}`),
        ];
        return answer(batch, target);
      },
      () => {
        events.push(`close ${backend}`);
        return EMPTY;
      },
    );
  });
  const draftOf = (config: Config): Draft => ({
    config,
    hash: JSON.stringify(config),
    warnings: [],
    operators: loaded(operators),
  });
  const deadLetters = memoryDeadLetters();
  const engine = createEngine(draftOf(first), { sinks, deadLetters, dataDir: '/tmp' }, context);
  const chunk$ = new Subject<Buffer>();
  const connection: Connection = {
    id: 1,
    remote: 'test',
    chunk$,
    clockMs: () => 0,
    ...MUTE,
    refuse: () => {},
  };
  const outcomes: Record<string, number> = {};
  const results: string[] = [];
  let completed = false;
  engine
    .run(of(connection), () => 10_000)
    .subscribe({
      next: ({ backend, ending, reason, messages }) => {
        outcomes[backend] = (outcomes[backend] ?? 0) + messages.length;
        results.push(`${backend} ${ending} ${reason} ${messages.map(({ jobId }) => jobId).join(',')}`);
      },
      complete: () => {
        completed = true;
      },
    });
  const line = (job: number | string, more: object = {}) =>
    chunk$.next(
      Buffer.from(`${JSON.stringify({ source: 's', type: 'event', job_id: `${job}`, ...more })}\n`),
    );
  const at = (ms: number, action: () => void) => scheduler.schedule(action, ms);
  return {
    engine,
    events,
    sends,
    counts,
    outcomes,
    results,
    deadLetters,
    at,
    line,
    apply: (config: Config) => engine.apply(draftOf(config)),
    end: () => chunk$.complete(),
    flush: () => scheduler.flush(),
    isCompleted: () => completed,
  };
}

/** Every message in a batch of its own, so that nothing waits. */
const SINGLE = { batch: { max_count: 1 }, reload: { drain: '1s' } };
const A = { a: { type: 'rec' } };
const AB = { ...A, b: { type: 'rec' } };

describe('a reload', () => {
  test('keeps the lane of an unchanged section, replaces a changed one, opens a new one', () => {
    const { at, apply, line, end, flush, events, sends } = stage(
      routing({ s: [{ backend: 'a' }, { backend: 'b' }] }, { ...SINGLE, backends: AB }),
    );
    expect(events).toEqual(['open a', 'open b']);
    at(1, () => line(1));
    at(2, () => {
      apply(
        routing(
          { s: [{ backend: 'a' }, { backend: 'b' }, { backend: 'c' }] },
          { ...SINGLE, backends: { ...A, b: { type: 'rec', x: 'new' }, c: { type: 'rec' } } },
        ),
      );
      expect(events.slice(2)).toEqual(['open b', 'open c', 'close b']);
    });
    at(3, () => line(2));
    at(4, end);
    flush();
    expect(sends).toEqual({ a: ['t 1', 't 2'], b: ['t 1', 't 2'], c: ['t 2'] });
  });

  test('closes a lane that no rule sends to any more, and opens none for it', () => {
    const both = { ...SINGLE, backends: AB };
    const { at, apply, events, flush } = stage(routing({ s: [{ backend: 'a' }, { backend: 'b' }] }, both));
    at(1, () => {
      apply(routing({ s: [{ backend: 'a' }, { backend: 'b', enabled: false }] }, both));
      expect(events.slice(2)).toEqual(['close b']);
    });
    flush();
  });

  test('that cannot run leaves everything as it was', () => {
    const before = routing({ s: [{ backend: 'a', config: { path: 'u' } }] }, { ...SINGLE, backends: A });
    const { engine, at, apply, line, end, flush, events, sends, outcomes, isCompleted } = stage(before);
    const plan = engine.plan();
    at(1, () => line(1));
    at(2, () => {
      const bad = routing({ s: [{ backend: 'b', config: { path: 'bad' } }] }, { ...SINGLE, backends: AB });
      expect(() => apply(bad)).toThrow('routing.s[0]: path "bad" is bad');
      expect(engine.plan()).toBe(plan);
    });
    at(3, () => line(2));
    at(4, end);
    flush();
    expect(sends).toEqual({ a: ['u 1', 'u 2'] });
    expect(events).toEqual(['open a', 'open b', 'close b', 'close a']);
    expect(outcomes).toEqual({ a: 2 });
    expect(isCompleted()).toBe(true);
  });

  test('keeps what an operator knows while its rule stays', () => {
    const rule = { backend: 'a', operators: ['once'] };
    const { at, apply, line, end, flush, sends } = stage(routing({ s: [rule] }, { ...SINGLE, backends: A }));
    at(1, () => line(1));
    at(2, () => apply(routing({ s: [rule, { backend: 'b' }] }, { ...SINGLE, backends: AB })));
    at(3, () => line(1));
    at(4, () => line(2));
    at(5, end);
    flush();
    expect(sends).toEqual({ a: ['t 1', 't 2'], b: ['t 1', 't 2'] });
  });

  test('lets the operators of a removed backend deliver what they hold, then closes it', () => {
    const rule = { backend: 'b', operators: ['late'] };
    const { engine, at, apply, line, end, flush, events, sends, deadLetters, results } = stage(
      routing({ s: [rule] }, { ...SINGLE, backends: AB }),
    );
    const held: unknown[] = [];
    at(1, () => line(1));
    at(2, () => {
      apply(routing({ s: [{ backend: 'a' }] }, { ...SINGLE, backends: A }));
      held.push(engine.held().get('b'), ...events);
    });
    at(3, () => line(2));
    // Another edit while it drains does not close it either.
    at(4, () => {
      apply(routing({ s: [{ backend: 'a', priority: 1 }] }, { ...SINGLE, backends: A }));
      held.push(engine.held().get('b'));
    });
    at(40, () => held.push(engine.held().get('b'), ...events));
    at(41, end);
    flush();
    expect(sends).toEqual({ b: ['t 1'], a: ['t 2'] });
    expect(held).toEqual([1, 'open b', 'open a', 1, undefined, 'open b', 'open a', 'close b']);
    expect(deadLetters.letters).toEqual([]);
    expect(results).toContain('b delivered ok 1');
  });

  test('takes a backend back that was removed and still drains, in the same lane', () => {
    const rule = { backend: 'b', operators: ['late'] };
    const both = { ...SINGLE, backends: AB };
    const { at, apply, line, end, flush, events, sends } = stage(routing({ s: [rule] }, both));
    at(1, () => line(1));
    at(2, () => apply(routing({ s: [{ backend: 'a' }] }, { ...SINGLE, backends: A })));
    at(3, () => apply(routing({ s: [{ backend: 'b' }] }, both)));
    at(4, () => line(2));
    at(50, () => expect(events).toEqual(['open b', 'open a', 'close a']));
    at(51, end);
    flush();
    expect(sends).toEqual({ b: ['t 2', 't 1'] });
  });

  test('of what is critical reaches the lanes, and replaces none', () => {
    const rules = { s: [{ backend: 'a' }] };
    const backends = {
      a: { type: 'rec', queue: { max_bytes: '64KiB' }, concurrency: 1, retry: { initial: '1d' } },
    };
    const { at, apply, line, end, flush, events, results } = stage(routing(rules, { ...SINGLE, backends }), {
      send: () => () => NEVER,
    });
    const big = { data: { text: 'x'.repeat(20_000) } };
    at(1, () => line('sending', big));
    at(2, () => apply(routing(rules, { ...SINGLE, backends, critical: { types: ['metric'] } })));
    at(3, () => line('kept', { ...big, type: 'metric' }));
    at(4, () => line('shed', { ...big, type: 'span' }));
    at(4, () => expect(events).toEqual(['open a']));
    // The backend is stuck by now: at its bound the lane sheds, a metric before a span unless it is critical.
    at(5000, () => line('last', big));
    at(5001, () => expect(results).toEqual(['shed', 'last'].map((job) => `a shed queue_full ${job}`)));
    at(5002, end);
    flush();
  });
});

describe('the options of a lane', () => {
  test("follow the backend's section", () => {
    const config = routing(
      { s: [{ backend: 'a' }] },
      {
        backends: {
          a: {
            type: 'rec',
            queue: { max_bytes: '1MiB' },
            concurrency: 7,
            timeout: '3s',
            retry: { initial: '1s', max: '2s', max_attempts: 3 },
            breaker: { failures: 2, reset_after: '4s' },
            batch: { max_count: 5, max_age: '6ms' },
          },
          b: { type: 'rec' },
        },
      },
    );
    const isCritical = () => true;
    expect(laneOptions(config.backends.a!, 'hash', isCritical)).toEqual({
      queueMaxBytes: 1_048_576,
      durability: 'memory',
      concurrency: 7,
      sendTimeoutMs: 3000,
      merge: { maxMessages: 5, maxAgeMs: 6 },
      retry: { initialMs: 1000, maxMs: 2000, maxAttempts: 3 },
      breaker: { failures: 2, resetAfterMs: 4000 },
      isCritical,
      configHash: 'hash',
    });
    expect(laneOptions(config.backends.b!, '', isCritical)).toMatchObject({
      concurrency: 4,
      merge: undefined,
      retry: { maxAttempts: Number.POSITIVE_INFINITY },
    });
  });
});

const NAMES = ['a', 'b', 'c'];
const anyRule = fc.record({
  backend: fc.constantFrom(...NAMES),
  enabled: fc.boolean(),
  priority: fc.integer({ min: 1, max: 3 }),
  filter: fc.constantFrom({}, { types: ['event'] }, { sample: 0.5 }, { types: ['metric', 'span'] }),
  config: fc.constantFrom({}, { path: 'x-{type}' }, { path: 'u' }),
  operators: fc.constantFrom([], [], ['once'], ['late'], ['late', 'once']),
});
const anyRules = fc.array(anyRule, { maxLength: 3 });
const anyConfig = fc
  .record({
    routing: fc.record(
      { s1: anyRules, 's*': anyRules, default: anyRules, all: anyRules },
      { requiredKeys: [] },
    ),
    x: fc.record({
      a: fc.constantFrom('1', '2'),
      b: fc.constantFrom('1', '2'),
      c: fc.constantFrom('1', '2'),
    }),
    batch: fc.record({ max_count: fc.integer({ min: 1, max: 5 }), max_age: fc.constantFrom('5ms', '40ms') }),
  })
  .map(({ routing: rules, x, batch }) =>
    routing(rules, {
      batch,
      reload: { drain: '20ms' },
      backends: Object.fromEntries(NAMES.map((name) => [name, { type: 'rec', x: x[name as 'a'] }])),
    }),
  );
const anyStep = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      source: fc.constantFrom('s1', 's2', 'other'),
      type: fc.constantFrom('event', 'metric'),
    }),
  },
  { weight: 1, arbitrary: anyConfig },
);

test('conservation: every message has one outcome a backend and rule, whatever is reloaded meanwhile', () => {
  fc.assert(
    fc.property(
      anyConfig,
      fc.array(fc.tuple(fc.nat(15), anyStep), { maxLength: 40 }),
      fc.constantFrom(...NAMES, ''),
      (first, steps, refusing) => {
        const { at, apply, line, end, flush, counts, outcomes, isCompleted, deadLetters } = stage(first, {
          send: (backend) => () => (backend === refusing ? throwError(() => new Permanent('never')) : EMPTY),
        });
        let ms = 0;
        let sent = 0;
        for (const [gapMs, step] of steps) {
          ms += gapMs;
          at(ms, () => ('routing' in step ? apply(step) : line(sent++ % 20, step)));
        }
        at(ms + 1, end);
        flush();
        expect(isCompleted()).toBe(true);
        expect(counts.received).toBe(sent);
        for (const name of NAMES) {
          expect([name, outcomes[name] ?? 0]).toEqual([name, sent + (counts.added[name] ?? 0)]);
        }
        expect(deadLetters.letters.filter(({ reason }) => reason === 'no_backend')).toEqual([]);
      },
    ),
    { numRuns: 150 },
  );
}, 60_000);
