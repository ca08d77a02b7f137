import type { SchedulerLike, Subscription, Unsubscribable } from 'rxjs';

/** Closes a connection whose frame stays incomplete for too long; idle between frames it may be for ever. */
export interface Patience extends Unsubscribable {
  /** To be called after each chunk, with its length. */
  watch(chunkBytes: number): void;
}

/** What the watch needs to know of a connection. */
export interface Watched {
  /** A clock in milliseconds that stands while the connection is not read: not reading is not its fault. */
  clockMs(): number;
  /** Bytes received so far of an incomplete frame. */
  pending(): number;
}

/** Runs a timer only while a frame is incomplete; one timer serves the frames that follow each other. */
export function createPatience(
  { clockMs, pending }: Watched,
  timeoutMs: number,
  scheduler: SchedulerLike,
  onTimeout: () => void,
): Patience {
  let sinceMs = 0;
  let timer: Subscription | undefined;
  const check = () => {
    timer = undefined;
    const ageMs = clockMs() - sinceMs;
    if (pending() === 0) return;
    if (ageMs >= timeoutMs) onTimeout();
    else arm(Math.max(timeoutMs - ageMs, timeoutMs / 10));
  };
  const arm = (delayMs: number) => {
    timer ??= scheduler.schedule(check, delayMs);
  };
  return {
    watch(chunkBytes) {
      const bytes = pending();
      if (bytes === 0) return;
      // a frame longer than the latest chunk began in an earlier one
      if (bytes <= chunkBytes) sinceMs = clockMs();
      arm(timeoutMs);
    },
    unsubscribe: () => timer?.unsubscribe(),
  };
}
