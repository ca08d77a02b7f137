import type { SchedulerLike } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';

/** When virtual time begins, epoch milliseconds: 2026-01-01T00:00:00.000Z. */
export const START_MS = Date.UTC(2026, 0, 1);

/** A run's clock. It moves from one action to the next, however long the time between them. */
export interface VirtualTime {
  /** Its `now()` is epoch milliseconds, from `START_MS`. */
  readonly scheduler: SchedulerLike;
  /** Milliseconds since the start. */
  nowMs(): number;
  /** Does something at a time since the start; of the same time what was asked for first is done first. */
  at(ms: number, action: () => void): void;
  /** Nothing happens any more after the current action. */
  end(): void;
}

/**
 * Calls `prepare`, then lets time pass to `untilMs` or until nothing is left to do. RxJS operators that are given
 * no scheduler run in virtual time too. Throws what an action throws, and when time stands still.
 */
export function inVirtualTime(untilMs: number, prepare: (time: VirtualTime) => void): void {
  const clock = new TestScheduler(() => {});
  const end = watchActions(clock);
  clock.now = () => START_MS + clock.frame;
  const play = () =>
    clock.run(() => {
      clock.maxFrames = untilMs;
      prepare({
        scheduler: clock,
        nowMs: () => clock.frame,
        at: (ms, action) => void clock.schedule(action, ms),
        end,
      });
    });
  try {
    play();
  } catch (error) {
    if (error !== END) throw error;
  }
}

/** Thrown in the place of the next action. */
const END = new Error('the run was ended');
const MOST_ACTIONS_AT_ONCE = 100_000;

/**
 * Stops the clock where an action would be the first after the end (the function returned says so), or one of too
 * many without a delay. The frame is what the clock sets before each action.
 */
function watchActions(clock: TestScheduler): () => void {
  let frame = 0;
  let actions = 0;
  let isEnded = false;
  Object.defineProperty(clock, 'frame', {
    get: () => frame,
    set: (next: number) => {
      if (isEnded) throw END;
      actions = next === frame ? actions + 1 : 0;
      frame = next;
      if (actions > MOST_ACTIONS_AT_ONCE) {
        throw new Error(
          `virtual time stands still at ${frame}ms: something schedules itself without a delay`,
        );
      }
    },
  });
  return () => {
    isEnded = true;
  };
}
