import type { SchedulerLike, Subscription } from 'rxjs';

/** One timer that is set, moved and cleared; it rings once for a setting. */
export interface Alarm {
  /** Not a getter: one in an object that is made once each is looked up with every call. */
  isSet(): boolean;
  /** Rings after `delayMs`, in place of the setting before. Longer than 24 days rings after 24 days. */
  set(delayMs: number): void;
  clear(): void;
}

/** Above it, `setTimeout` rings at once. */
const MAX_DELAY_MS = 2 ** 31 - 1;

export function createAlarm(scheduler: SchedulerLike, ring: () => void): Alarm {
  let timer: Subscription | undefined;
  const onRing = () => {
    timer = undefined;
    ring();
  };
  return {
    isSet: () => timer !== undefined,
    set: (delayMs) => {
      timer?.unsubscribe();
      timer = scheduler.schedule(onRing, Math.min(Math.max(delayMs, 0), MAX_DELAY_MS));
    },
    clear: () => {
      timer?.unsubscribe();
      timer = undefined;
    },
  };
}
