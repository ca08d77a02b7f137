import { type SchedulerAction, type SchedulerLike, Subscription } from 'rxjs';

/** A clock that stands still until it is moved. */
export interface ManualTime extends SchedulerLike {
  /** Moves on; what comes due runs in order. */
  advance(ms: number): void;
}

export function manualTime(startMs = 1_000_000): ManualTime {
  let nowMs = startMs;
  let timers: { readonly dueMs: number; readonly run: () => void }[] = [];
  return {
    now: () => nowMs,
    schedule: <T>(work: (this: SchedulerAction<T>, state?: T) => void, delayMs = 0) => {
      const timer = { dueMs: nowMs + delayMs, run: () => work.call(undefined as never) };
      timers.push(timer);
      return new Subscription(() => {
        timers = timers.filter((one) => one !== timer);
      });
    },
    advance: (ms) => {
      const endMs = nowMs + ms;
      for (;;) {
        const [next] = timers.filter(({ dueMs }) => dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs);
        if (next === undefined) break;
        timers = timers.filter((one) => one !== next);
        nowMs = Math.max(nowMs, next.dueMs);
        next.run();
      }
      nowMs = endMs;
    },
  };
}
