import { describe, expect, test } from '@jest/globals';
import type { SchedulerLike } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { type Breaker, type BreakerState, createBreaker } from '../src/deliver/breaker.ts';

interface Change {
  readonly ms: number;
  readonly change: string;
}

/** A breaker that opens after 3 failures for 10 ms, and what became of it. */
function setUp(scheduler: SchedulerLike) {
  const changes: Change[] = [];
  const onChange = (to: BreakerState, from: BreakerState) => {
    changes.push({ ms: scheduler.now(), change: `${from} to ${to}` });
  };
  const breaker = createBreaker({ failures: 3, resetAfterMs: 10 }, scheduler, onChange);
  return { breaker, changes, scheduler };
}

const fail = (breaker: Breaker, times = 1) => {
  for (let n = 0; n < times; n++) breaker.failed(breaker.begin(), new Error('down'));
};

function inVirtualTime(body: (scheduler: TestScheduler) => void): void {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  scheduler.run(() => body(scheduler));
}

describe('closed', () => {
  test('lets everything through', () =>
    inVirtualTime((scheduler) => {
      const { breaker } = setUp(scheduler);
      breaker.begin();
      expect([breaker.state, breaker.permits(), breaker.nextProbeMs]).toEqual(['closed', true, 0]);
    }));

  test('opens after so many failures in a row', () =>
    inVirtualTime((scheduler) => {
      const { breaker, changes } = setUp(scheduler);
      fail(breaker, 2);
      expect(breaker.state).toBe('closed');
      fail(breaker);
      expect([breaker.state, breaker.permits()]).toEqual(['open', false]);
      expect(changes).toEqual([{ ms: 0, change: 'closed to open' }]);
    }));

  test('an answer between failures starts the row anew', () =>
    inVirtualTime((scheduler) => {
      const { breaker } = setUp(scheduler);
      fail(breaker, 2);
      breaker.answered(breaker.begin());
      fail(breaker, 2);
      expect(breaker.state).toBe('closed');
    }));

  test('says which error opened it', () =>
    inVirtualTime((scheduler) => {
      const errors: unknown[] = [];
      const breaker = createBreaker({ failures: 1, resetAfterMs: 10 }, scheduler, (_to, _from, error) =>
        errors.push(error),
      );
      const error = new Error('refused');
      breaker.failed(breaker.begin(), error);
      expect(errors).toEqual([error]);
    }));
});

describe('open', () => {
  test('counts down to half-open', () =>
    inVirtualTime((scheduler) => {
      const { breaker, changes } = setUp(scheduler);
      fail(breaker, 3);
      scheduler.schedule(() => expect(breaker.nextProbeMs).toBe(6), 4);
      scheduler.schedule(() => expect(breaker.permits()).toBe(false), 9);
      scheduler.flush();
      expect(changes.at(-1)).toEqual({ ms: 10, change: 'open to half-open' });
      expect(breaker.nextProbeMs).toBe(0);
    }));

  test('what was sent before says nothing any more', () =>
    inVirtualTime((scheduler) => {
      const { breaker, changes } = setUp(scheduler);
      const old = breaker.begin();
      fail(breaker, 3);
      breaker.answered(old);
      breaker.failed(old, new Error('late'));
      expect(changes).toHaveLength(1);
      scheduler.schedule(() => breaker.failed(old, new Error('later')), 11);
      scheduler.schedule(() => breaker.answered(old), 12);
      scheduler.flush();
      expect(changes.map(({ change }) => change)).toEqual(['closed to open', 'open to half-open']);
    }));

  test('probeNow does not wait, and the clock does not ring a second time', () =>
    inVirtualTime((scheduler) => {
      const { breaker, changes } = setUp(scheduler);
      fail(breaker, 3);
      scheduler.schedule(() => breaker.probeNow(), 4);
      scheduler.flush();
      expect(changes.slice(1)).toEqual([{ ms: 4, change: 'open to half-open' }]);
    }));

  test('stop stops the clock', () =>
    inVirtualTime((scheduler) => {
      const { breaker, changes } = setUp(scheduler);
      fail(breaker, 3);
      breaker.stop();
      scheduler.flush();
      expect(changes).toHaveLength(1);
    }));
});

describe('half-open', () => {
  const halfOpen = (scheduler: SchedulerLike) => {
    const all = setUp(scheduler);
    fail(all.breaker, 3);
    all.breaker.probeNow();
    return all;
  };

  test('lets exactly one probe through', () =>
    inVirtualTime((scheduler) => {
      const { breaker } = halfOpen(scheduler);
      expect(breaker.permits()).toBe(true);
      breaker.begin();
      expect(breaker.permits()).toBe(false);
    }));

  test('closes on an answer', () =>
    inVirtualTime((scheduler) => {
      const { breaker, changes } = halfOpen(scheduler);
      breaker.answered(breaker.begin());
      expect([breaker.state, breaker.permits()]).toEqual(['closed', true]);
      expect(changes.at(-1)?.change).toBe('half-open to closed');
    }));

  test('opens again on one failure, for the same time, and lets the next probe through', () =>
    inVirtualTime((scheduler) => {
      const { breaker, changes } = setUp(scheduler);
      fail(breaker, 3);
      for (const ms of [11, 22]) scheduler.schedule(() => fail(breaker), ms);
      scheduler.flush();
      expect(changes).toEqual([
        { ms: 0, change: 'closed to open' },
        { ms: 10, change: 'open to half-open' },
        { ms: 11, change: 'half-open to open' },
        { ms: 21, change: 'open to half-open' },
        { ms: 22, change: 'half-open to open' },
        { ms: 32, change: 'open to half-open' },
      ]);
      expect(breaker.permits()).toBe(true);
    }));

  test('probeNow changes nothing but an open breaker', () =>
    inVirtualTime((scheduler) => {
      const { breaker, changes } = halfOpen(scheduler);
      breaker.probeNow();
      breaker.answered(breaker.begin());
      breaker.probeNow();
      expect(changes.map(({ change }) => change)).toEqual([
        'closed to open',
        'open to half-open',
        'half-open to closed',
      ]);
    }));
});
