import { expect, test } from '@jest/globals';
import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { type Alarm, createAlarm } from '../src/flow/alarm.ts';

/** Says when an alarm rang. */
function rings(script: (alarm: Alarm, at: (ms: number, action: () => void) => void) => void): number[] {
  const rung: number[] = [];
  const scheduler = new TestScheduler(() => {});
  scheduler.run(() => {
    const alarm = createAlarm(scheduler, () => rung.push(scheduler.now()));
    script(alarm, (ms, action) => {
      scheduler.schedule(action, ms);
    });
  });
  return rung;
}

test('rings never unless it is set', () => {
  expect(rings(() => {})).toEqual([]);
});

test('rings once, after its time', () => {
  expect(rings((alarm) => alarm.set(5))).toEqual([5]);
});

test('is set while it has not rung', () => {
  const states: boolean[] = [];
  rings((alarm, at) => {
    states.push(alarm.isSet());
    alarm.set(5);
    at(4, () => states.push(alarm.isSet()));
    at(6, () => states.push(alarm.isSet()));
  });
  expect(states).toEqual([false, true, false]);
});

test('setting it again moves it, either way', () => {
  const moved = (ms: number) =>
    rings((alarm, at) => {
      alarm.set(10);
      at(4, () => alarm.set(ms));
    });
  expect([moved(2), moved(20)]).toEqual([[6], [24]]);
});

test('cleared, it does not ring; clearing twice is fine', () => {
  const states: boolean[] = [];
  const rung = rings((alarm, at) => {
    alarm.set(10);
    at(4, () => {
      alarm.clear();
      alarm.clear();
      states.push(alarm.isSet());
    });
  });
  expect([rung, states]).toEqual([[], [false]]);
});

test('may be set again by its own ring', () => {
  const scheduler = new TestScheduler(() => {});
  const rung: number[] = [];
  scheduler.run(() => {
    const alarm: Alarm = createAlarm(scheduler, () => {
      rung.push(scheduler.now());
      if (rung.length < 3) alarm.set(5);
    });
    alarm.set(5);
  });
  expect(rung).toEqual([5, 10, 15]);
});

test('a time that is over rings at once, but not within the call', () => {
  const events: string[] = [];
  const rung = rings((alarm) => {
    alarm.set(-100);
    events.push('returned');
  });
  expect([rung, events]).toEqual([[0], ['returned']]);
});

test('a time beyond what timers can do is cut, so that it does not ring at once', () => {
  const delays: (number | undefined)[] = [];
  const recording: SchedulerLike = {
    now: () => 0,
    schedule: (work, delay, state) => {
      delays.push(delay);
      const subscription = asyncScheduler.schedule(work as () => void, delay, state);
      subscription.unsubscribe();
      return subscription;
    },
  };
  createAlarm(recording, () => {}).set(1e12);
  expect(delays).toEqual([2 ** 31 - 1]);
});
