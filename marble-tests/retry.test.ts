import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { EMPTY, Observable, type SchedulerLike, Subscription, throwError } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { jobOf } from '../src/deliver/job.ts';
import { backoffMs, errorText, verdictOf } from '../src/deliver/retry.ts';
import { sendOnce } from '../src/deliver/send.ts';
import { Permanent, type Sink, Throttled } from '../src/deliver/sink.ts';
import { delivery, fakeSink } from '../test/deliver/fixtures.ts';

describe('backoff', () => {
  const options = { initialMs: 100, maxMs: 1000 };

  test('the bound doubles up to its own bound', () => {
    const bounds = [1, 2, 3, 4, 5, 6, 5000].map((failures) => backoffMs(failures, options, () => 1));
    expect(bounds).toEqual([100, 200, 400, 800, 1000, 1000, 1000]);
  });

  test('full jitter: anything between 1 ms and the bound, in whole milliseconds', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 40 }),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (n, random) => {
          const ms = backoffMs(n, options, () => random);
          expect(Number.isInteger(ms)).toBe(true);
          expect(ms).toBeGreaterThanOrEqual(1);
          expect(ms).toBeLessThanOrEqual(Math.min(1000, 100 * 2 ** (n - 1)));
        },
      ),
    );
  });

  test('random decides', () => {
    expect([0, 0.25, 0.5].map((random) => backoffMs(3, options, () => random))).toEqual([1, 100, 200]);
  });
});

describe('verdict', () => {
  test('Permanent and Throttled say so, everything else is transient', () => {
    const permanent = new Permanent('bad row');
    const throttled = new Throttled('slow down', 250);
    expect(verdictOf(permanent)).toEqual({ kind: 'permanent', error: permanent });
    expect(verdictOf(throttled)).toEqual({ kind: 'throttled', error: throttled, retryAfterMs: 250 });
    for (const error of [new Error('reset'), 'text', undefined, null, 7]) {
      expect(verdictOf(error)).toEqual({ kind: 'transient', error });
    }
  });

  test('a pause of nothing lasts 1 ms, one that is no time is none', () => {
    expect(verdictOf(new Throttled('', 0))).toMatchObject({ retryAfterMs: 1 });
    expect(verdictOf(new Throttled('', -5))).toMatchObject({ retryAfterMs: 1 });
    for (const ms of [Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(verdictOf(new Throttled('', ms))).toMatchObject({ kind: 'transient' });
    }
  });

  test('the text of an error is bounded and never throws', () => {
    expect(errorText(new TypeError('no'))).toBe('TypeError: no');
    expect(errorText('plain')).toBe('plain');
    expect(errorText(undefined)).toBe('undefined');
    expect(errorText(Object.create(null))).toBe('unprintable error');
    expect(errorText('x'.repeat(5000))).toHaveLength(1001);
  });
});

describe('sendOnce', () => {
  const VERDICTS = {
    k: { kind: 'accepted' },
    t: { kind: 'transient', error: 'error' },
    l: { kind: 'transient', error: new Error('no answer within 5 ms') },
  };
  const job = jobOf(delivery([1]), 0, 0);

  /** Sends to a sink that answers with a marble diagram; 5 ms of patience. */
  function expectSend(answer: string, verdict: string, subscribed: string, unsubscribe?: string): void {
    const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
    scheduler.run(({ cold, expectObservable, expectSubscriptions }) => {
      const answer$ = cold(answer);
      const sink = fakeSink(scheduler, () => answer$);
      expectObservable(sendOnce(sink, job, 5, scheduler), unsubscribe).toBe(verdict, VERDICTS);
      expectSubscriptions(answer$.subscriptions).toBe(subscribed);
    });
  }

  test('completion is acceptance', () => expectSend('---|', '---(k|)', '^--!'));
  test('… also at once', () => expectSend('|', '(k|)', '(^!)'));
  test('what a sink emits is ignored', () => expectSend('ab-|', '---(k|)', '^--!'));
  test('an error is the verdict', () => expectSend('--#', '--(t|)', '^-!'));
  test('… also at once', () => expectSend('#', '(t|)', '(^!)'));
  test('silence is aborted, then transient', () => expectSend('-', '-----(l|)', '^----!'));
  test('emissions are no answer', () => expectSend('-a-a-a-a-|', '-----(l|)', '^----!'));
  test('an answer in the last moment counts', () => expectSend('-----|', '-----(k|)', '^----!'));
  test('unsubscribing aborts', () => expectSend('---|', '--', '^-!', '--!'));

  /** The verdicts on a sink that misbehaves in code. */
  function verdictsOf(send: Sink['send']): unknown[] {
    const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
    const verdicts: unknown[] = [];
    scheduler.run(() => {
      const sink = { ...fakeSink(scheduler, () => throwError(() => 'unused')), send };
      sendOnce(sink, job, 5, scheduler).subscribe((verdict) => verdicts.push(verdict));
    });
    return verdicts;
  }

  test('a sink that throws is a sink that errors', () => {
    const error = new Error('thrown');
    const thrown = verdictsOf(() => {
      throw error;
    });
    expect(thrown).toEqual([{ kind: 'transient', error }]);
    const permanent = new Permanent('thrown');
    const refused = verdictsOf(() => {
      throw permanent;
    });
    expect(refused).toEqual([{ kind: 'permanent', error: permanent }]);
  });

  test('a sink that returns no stream is a sink that errors', () => {
    expect(verdictsOf(() => undefined as never)).toEqual([
      { kind: 'transient', error: expect.any(TypeError) },
    ]);
  });

  test('only the first end counts', () => {
    const twice = new Observable((subscriber) => {
      subscriber.complete();
      subscriber.error(new Error('after the end'));
      subscriber.complete();
    });
    expect(verdictsOf(() => twice)).toEqual([{ kind: 'accepted' }]);
  });

  test('a sink that throws while it is aborted is aborted all the same', () => {
    const stubborn = new Observable(() => () => {
      throw new Error('no');
    });
    expect(verdictsOf(() => stubborn)).toEqual([VERDICTS.l]);
  });

  test('a send that ends before it returns costs no timer', () => {
    let timers = 0;
    const untimed: SchedulerLike = {
      now: () => 0,
      schedule: () => {
        timers++;
        return Subscription.EMPTY;
      },
    };
    const sink = fakeSink(untimed, () => EMPTY);
    const verdicts: string[] = [];
    sendOnce(sink, job, 5, untimed).subscribe(({ kind }) => verdicts.push(kind));
    expect([verdicts, timers]).toEqual([['accepted'], 0]);
  });

  test('it is aborted before its verdict is out', () => {
    const events: string[] = [];
    const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
    scheduler.run(() => {
      const silent = new Observable(() => () => events.push('aborted'));
      const sink = fakeSink(scheduler, () => silent);
      sendOnce(sink, job, 5, scheduler).subscribe(({ kind }) => events.push(kind));
    });
    expect(events).toEqual(['aborted', 'transient']);
  });
});
