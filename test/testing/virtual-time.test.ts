import { describe, expect, test } from '@jest/globals';
import { asapScheduler, asyncScheduler, delay, interval, of, take, throwError, timer } from 'rxjs';
import { inVirtualTime, START_MS } from '../../src/testing/virtual-time.ts';

const FOR_EVER = Number.POSITIVE_INFINITY;

describe('time', () => {
  test('begins at a fixed instant and moves from one action to the next, without waiting', () => {
    const seen: string[] = [];
    const beganMs = performance.now();
    inVirtualTime(FOR_EVER, (time) => {
      const note = () => seen.push(`${time.nowMs()} ${new Date(time.scheduler.now()).toISOString()}`);
      note();
      time.at(86_400_000, note);
      time.at(5, note);
      time.scheduler.schedule(note, 7);
    });
    expect(seen).toEqual([
      '0 2026-01-01T00:00:00.000Z',
      '5 2026-01-01T00:00:00.005Z',
      '7 2026-01-01T00:00:00.007Z',
      '86400000 2026-01-02T00:00:00.000Z',
    ]);
    expect(performance.now() - beganMs).toBeLessThan(60_000);
  });

  test('of one instant, what was asked for first is done first', () => {
    const seen: string[] = [];
    inVirtualTime(FOR_EVER, ({ at }) => {
      at(5, () => seen.push('a'));
      at(5, () => seen.push('b'));
      at(0, () => at(5, () => seen.push('c')));
    });
    expect(seen).toEqual(['a', 'b', 'c']);
  });

  test('stops at its end, inclusive', () => {
    const seen: number[] = [];
    inVirtualTime(30, ({ scheduler, nowMs }) => {
      interval(10, scheduler).subscribe(() => seen.push(nowMs()));
    });
    expect(seen).toEqual([10, 20, 30]);
  });

  test('can be ended from within', () => {
    const seen: number[] = [];
    inVirtualTime(FOR_EVER, ({ scheduler, end }) => {
      interval(10, scheduler).subscribe((n) => (n === 2 ? end() : seen.push(n)));
    });
    expect(seen).toEqual([0, 1]);
  });

  test('runs RxJS operators without a scheduler too, by the same clock', () => {
    const seen: string[] = [];
    inVirtualTime(FOR_EVER, ({ nowMs }) => {
      timer(50).subscribe(() => seen.push(`timer ${nowMs()}`));
      of(1)
        .pipe(delay(70))
        .subscribe(() => seen.push(`delay ${nowMs()}`));
      asapScheduler.schedule(() => seen.push(`asap ${nowMs()}`));
      interval(20)
        .pipe(take(2))
        .subscribe(() => seen.push(`at ${asyncScheduler.now() - START_MS}`));
    });
    expect(seen).toEqual(['asap 0', 'at 20', 'at 40', 'timer 50', 'delay 70']);
  });

  test('what an action throws is thrown, and leaves real time as it was', () => {
    const failing = () =>
      inVirtualTime(FOR_EVER, ({ at }) => {
        at(3, () => {
          throw new Error('broken');
        });
      });
    expect(failing).toThrow('broken');
    expect(Math.abs(asyncScheduler.now() - Date.now())).toBeLessThan(1000);
  });

  test('an error that nobody handles is thrown', () => {
    expect(() => inVirtualTime(FOR_EVER, () => void throwError(() => new Error('lost')).subscribe())).toThrow(
      'lost',
    );
  });

  test('does not stand still for ever', () => {
    const spinning = () =>
      inVirtualTime(FOR_EVER, ({ at, scheduler }) => {
        const again = () => void scheduler.schedule(again);
        at(7, again);
      });
    expect(spinning).toThrow('virtual time stands still at 7ms: something schedules itself without a delay');
  });
});
