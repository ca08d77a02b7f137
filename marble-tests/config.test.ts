import { describe, expect, test } from '@jest/globals';
import {
  concatWith,
  EMPTY,
  interval,
  NEVER,
  type Observable,
  of,
  switchMap,
  take,
  throwError,
  timer,
} from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { MOST_PAUSES, type News, type RereadOptions, reread, type Snapshot } from '../src/config/reread.ts';

/** A file's text with operators that never change; `?` at its end is a text that is half written. */
const file = (text: string, operators = 'o'): Snapshot => ({ text, operators });
const news = (text: string, generation = 1, operators = 'o'): News => ({ text, operators, generation });

interface Scene extends Partial<Omit<RereadOptions, 'look' | 'debounceMs' | 'scheduler'>> {
  /** What the disk holds from a time on, in ms. */
  readonly disk: Readonly<Record<number, Snapshot | (() => Observable<Snapshot>)>>;
  /** How long a look takes. Default 0. */
  readonly lookMs?: number;
  readonly debounceMs?: number;
}

/** Runs `check` with a reread of the scene, and with the times at which the disk was looked at. */
function scene(
  check: (s: TestScheduler, start: (scene: Scene) => Observable<News>, looks: number[]) => void,
): void {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  const looks: number[] = [];
  scheduler.run(() => {
    const start = ({ disk, lookMs = 0, debounceMs = 3, ...options }: Scene) =>
      reread({
        change$: NEVER,
        reload$: NEVER,
        isWhole: (snapshot) => 'text' in snapshot && !snapshot.text.endsWith('?'),
        ...options,
        scheduler,
        debounceMs: () => debounceMs,
        look: () => {
          const now = scheduler.now();
          looks.push(now);
          const since = Math.max(
            ...Object.keys(disk)
              .map(Number)
              .filter((ms) => ms <= now),
          );
          const found = disk[since]!;
          const seen$ = typeof found === 'function' ? found() : of(found);
          return lookMs === 0 ? seen$ : timer(lookMs, scheduler).pipe(switchMap(() => seen$));
        },
      });
    check(scheduler, start, looks);
  });
}

/** Runs until `ms`, then ends. */
const until = (ms: number) => `^ ${ms}ms !`;

describe('the first look', () => {
  test('is at once, and stays the only one while nothing changes', () =>
    scene((s, start, looks) => {
      s.expectObservable(start({ disk: { 0: file('a') } }), until(99)).toBe('a', { a: news('a') });
      s.flush();
      expect(looks).toEqual([0]);
    }));

  test('is told as it is: half written, missing, failing', () =>
    scene((s, start) => {
      const error = { error: 'no such file', operators: 'o' };
      s.expectObservable(start({ disk: { 0: file('a?') } }), until(99)).toBe('a', { a: news('a?') });
      s.expectObservable(start({ disk: { 0: error } }), until(99)).toBe('e', {
        e: { ...error, generation: 1 },
      });
      const failing = () => throwError(() => Object.assign(new Error('x'), { code: 'EACCES' }));
      const failed = { error: 'no permission', operators: '', generation: 1 };
      s.expectObservable(start({ disk: { 0: failing } }), until(99)).toBe('e', { e: failed });
    }));

  test('that throws is a failed look', () =>
    scene((s, start) => {
      const thrown = () => {
        throw new Error('boom');
      };
      const failed = { error: 'boom', operators: '', generation: 1 };
      s.expectObservable(start({ disk: { 0: thrown } }), until(9)).toBe('e', { e: failed });
    }));
});

describe('a change', () => {
  test('is looked at after a pause, and told if it is one', () =>
    scene((s, start, looks) => {
      const change$ = s.createHotObservable('----c----c----');
      const disk = { 0: file('a'), 4: file('b') };
      s.expectObservable(start({ disk, change$ }), until(30)).toBe('a------b', {
        a: news('a'),
        b: news('b'),
      });
      s.flush();
      expect(looks).toEqual([0, 7, 12]);
    }));

  test('of a burst is looked at once, when the burst pauses', () =>
    scene((s, start, looks) => {
      const change$ = s.createHotObservable('-cc-c-c--c------');
      const disk = { 0: file('a'), 1: file('?'), 9: file('b') };
      s.expectObservable(start({ disk, change$ }), until(30)).toBe('a-----------b', {
        a: news('a'),
        b: news('b'),
      });
      s.flush();
      expect(looks).toEqual([0, 12]);
    }));

  test('is looked at in time though the burst does not pause', () =>
    scene((s, start, looks) => {
      const change$ = interval(1, s).pipe(take(70), concatWith(NEVER));
      const disk = { 0: file('a'), 5: file('b'), 40: file('c') };
      const values = { a: news('a'), b: news('b'), c: news('c') };
      const wait = 3 * MOST_PAUSES;
      s.expectObservable(start({ disk, change$ }), until(200)).toBe(`a ${wait}ms b ${wait - 1}ms c`, values);
      s.flush();
      expect(looks).toEqual([0, 1 + wait, 1 + 2 * wait, 73]);
    }));

  test('makes an older look worthless', () =>
    scene((s, start) => {
      const change$ = s.createHotObservable('-c-----c-------');
      const disk = { 0: file('a'), 1: file('b'), 7: file('c') };
      // Looks begin at 0, 4 and 10; each takes 5.
      const out = start({ disk, change$, lookMs: 5 });
      s.expectObservable(out, until(40)).toBe('---------b-----c', { b: news('b'), c: news('c') });
    }));

  test('to what was there before is a change again', () =>
    scene((s, start) => {
      const change$ = s.createHotObservable('c---------c---------');
      const disk = { 0: file('a'), 1: file('b'), 9: file('a') };
      s.expectObservable(start({ disk, change$ }), until(30)).toBe('a--b---------c', {
        a: news('a'),
        b: news('b'),
        c: news('a'),
      });
    }));

  test('comes through after the stream of changes failed or ended: by being asked for', () =>
    scene((s, start) => {
      const reload$ = s.createHotObservable('---------r');
      const disk = { 0: file('a'), 5: file('b') };
      const values = { a: news('a'), b: news('b') };
      for (const change$ of [throwError(() => new Error('x')), of(1), s.createColdObservable<never>('-#')]) {
        s.expectObservable(start({ disk, change$, reload$ }), until(30)).toBe('a--------b', values);
      }
    }));
});

describe('a file that is not whole', () => {
  test('is looked at again before it is believed', () =>
    scene((s, start, looks) => {
      const change$ = s.createHotObservable('-c');
      const disk = { 0: file('a'), 1: file('b?'), 60: file('b') };
      // 1 + a pause of 3, then 50 and 100 ms later.
      s.expectObservable(start({ disk, change$ }), until(999)).toBe('a 153ms b', {
        a: news('a'),
        b: news('b'),
      });
      s.flush();
      expect(looks).toEqual([0, 4, 54, 154]);
    }));

  test('is told as it is in the end', () =>
    scene((s, start, looks) => {
      const change$ = s.createHotObservable('-c');
      const disk = { 0: file('a'), 1: file('b?') };
      s.expectObservable(start({ disk, change$ }), until(2000)).toBe('a 753ms b', {
        a: news('a'),
        b: news('b?'),
      });
      s.flush();
      expect(looks).toEqual([0, 4, 54, 154, 354, 754]);
    }));

  test('but was told before is not waited for again', () =>
    scene((s, start, looks) => {
      const change$ = s.createHotObservable('-c');
      s.expectObservable(start({ disk: { 0: file('a?') }, change$ }), until(999)).toBe('a', {
        a: news('a?'),
      });
      s.flush();
      expect(looks).toEqual([0, 4]);
    }));

  test('gives way to a change', () =>
    scene((s, start, looks) => {
      const change$ = s.createHotObservable('-c 20ms c');
      const disk = { 0: file('a'), 1: file('b?'), 20: file('b') };
      s.expectObservable(start({ disk, change$ }), until(999)).toBe('a 24ms b', {
        a: news('a'),
        b: news('b'),
      });
      s.flush();
      expect(looks).toEqual([0, 4, 25]);
    }));

  test('is missing for a moment while it is replaced', () =>
    scene((s, start) => {
      const change$ = s.createHotObservable('-c');
      const gone = { error: 'no such file', operators: 'o' };
      const disk = { 0: file('a'), 1: gone, 30: file('b') };
      s.expectObservable(start({ disk, change$ }), until(999)).toBe('a 53ms b', {
        a: news('a'),
        b: news('b'),
      });
    }));

  test('is missing for good, and then comes back', () =>
    scene((s, start) => {
      const change$ = s.createHotObservable('-c 1999ms c');
      const gone = { error: 'no such file', operators: 'o' };
      const disk = { 0: file('a'), 1: gone, 2000: file('a') };
      s.expectObservable(start({ disk, change$ }), until(3000)).toBe('a 753ms e 1249ms b', {
        a: news('a'),
        e: { ...gone, generation: 1 },
        b: news('a'),
      });
    }));

  test('by a check that throws counts as whole', () =>
    scene((s, start) => {
      const change$ = s.createHotObservable('-c');
      const isWhole = () => {
        throw new Error('x');
      };
      const out = start({ disk: { 0: file('a'), 1: file('b') }, change$, isWhole });
      s.expectObservable(out, until(99)).toBe('a---b', { a: news('a'), b: news('b') });
    }));
});

describe('being asked for', () => {
  test('tells the same again, at once', () =>
    scene((s, start) => {
      const reload$ = s.createHotObservable('----r--r');
      s.expectObservable(start({ disk: { 0: file('a') }, reload$ }), until(30)).toBe('a---a--a', {
        a: news('a'),
      });
    }));

  test('is not forgotten when a change comes between', () =>
    scene((s, start) => {
      const reload$ = s.createHotObservable('----------r-----');
      const change$ = s.createHotObservable('---------c------');
      const out = start({ disk: { 0: file('a') }, reload$, change$, lookMs: 5 });
      // The look of 10 is cut off by that of 12.
      s.expectObservable(out, until(40)).toBe('-----a-----------b', { a: news('a'), b: news('a') });
    }));

  test('once is once', () =>
    scene((s, start) => {
      const reload$ = s.createHotObservable('----r');
      const change$ = s.createHotObservable('---------c');
      s.expectObservable(start({ disk: { 0: file('a') }, reload$, change$ }), until(40)).toBe('a---a', {
        a: news('a'),
      });
    }));

  test('waits for a half-written file too', () =>
    scene((s, start) => {
      const reload$ = s.createHotObservable('----r');
      const disk = { 0: file('a'), 3: file('b?'), 20: file('b') };
      const values = { a: news('a'), b: news('b') };
      s.expectObservable(start({ disk, reload$ }), until(99)).toBe('a 53ms b', values);
    }));

  test('by a stream that fails harms nothing', () =>
    scene((s, start) => {
      const reload$ = s.createColdObservable<never>('--#');
      s.expectObservable(start({ disk: { 0: file('a') }, reload$ }), until(30)).toBe('a', { a: news('a') });
    }));
});

describe('the operators', () => {
  test('tell the same text again with a new generation', () =>
    scene((s, start) => {
      const change$ = s.createHotObservable('-c---------c--------c');
      const disk = { 0: file('a'), 1: file('a', 'p'), 11: file('b', 'p'), 20: file('b', 'q') };
      s.expectObservable(start({ disk, change$ }), until(99)).toBe('a---b---------c--------d', {
        a: news('a', 1),
        b: news('a', 2, 'p'),
        c: news('b', 2, 'p'),
        d: news('b', 3, 'q'),
      });
    }));
});

describe('subscriptions', () => {
  test('to changes and wishes end with the subscriber, and never before', () =>
    scene((s, start) => {
      const change$ = s.createHotObservable('--c--');
      const reload$ = s.createHotObservable('---r-');
      s.expectObservable(start({ disk: { 0: file('a') }, change$, reload$ }), '^------!').toBe('a--a', {
        a: news('a'),
      });
      s.expectSubscriptions(change$.subscriptions).toBe('^------!');
      s.expectSubscriptions(reload$.subscriptions).toBe('^------!');
    }));

  test('outlive the changes and the wishes', () =>
    scene((s, start) => {
      const out = start({ disk: { 0: file('a') }, change$: EMPTY, reload$: EMPTY });
      s.expectObservable(out, until(99)).toBe('a', { a: news('a') });
    }));

  test('that end early leave no look behind', () =>
    scene((s, start, looks) => {
      const change$ = s.createHotObservable('-c');
      s.expectObservable(start({ disk: { 0: file('a'), 1: file('b?') }, change$ }), '^-!').toBe('a', {
        a: news('a'),
      });
      s.flush();
      expect(looks).toEqual([0]);
    }));

  test('have a state of their own each', () =>
    scene((s, start) => {
      const reload$ = s.createHotObservable('----r');
      const shared$ = start({ disk: { 0: file('a'), 2: file('b') }, reload$ });
      const values = { a: news('a'), b: news('b') };
      s.expectObservable(shared$, until(20)).toBe('a---b', values);
      s.expectObservable(shared$, '--^ 20ms !').toBe('--b-b', values);
    }));
});

describe('looks that come faster than doubts end', () => {
  test('a file that is not whole and stays so is taken, however often a change cuts its looks short', () => {
    scene((s, start) => {
      const reading$ = start({
        disk: { 0: file('a'), 50: file('b?') },
        change$: interval(100, s),
      }).pipe(take(2));
      // seen at 103 for the first time, looked at again every 100 ms: after 750 ms it is believed
      s.expectObservable(reading$).toBe('a 852ms (b|)', { a: news('a'), b: news('b?') });
    });
  });

  test('one that is still being written is not', () => {
    scene((s, start) => {
      const reading$ = start({
        disk: { 0: file('a'), 50: file('b?'), 500: file('bc?'), 1000: file('bcd') },
        change$: interval(100, s),
      }).pipe(take(2));
      s.expectObservable(reading$).toBe('a 1002ms (b|)', { a: news('a'), b: news('bcd') });
    });
  });
});
