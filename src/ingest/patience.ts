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

/**
 * Runs a timer only while a frame is incomplete; one timer serves the frames that follow each other. A timer that rings
 * late says that the process stood still (a stopped container, a suspended machine) and read nothing of what came
 * meanwhile: that time does not count.
 */
export function createPatience(
  { clockMs, pending }: Watched,
  timeoutMs: number,
  scheduler: SchedulerLike,
  onTimeout: () => void,
): Patience {
  const leastMs = timeoutMs / 10;
  let sinceMs = 0;
  let dueMs = 0;
  let timer: Subscription | undefined;
  const check = () => {
    timer = undefined;
    if (pending() === 0) return;
    const lateMs = clockMs() - dueMs;
    if (lateMs >= leastMs) sinceMs += lateMs;
    const leftMs = timeoutMs - (clockMs() - sinceMs);
    if (leftMs <= 0 && lateMs < leastMs) onTimeout();
    else arm(Math.max(leftMs, leastMs));
  };
  const arm = (delayMs: number) => {
    if (timer !== undefined) return;
    dueMs = clockMs() + delayMs;
    timer = scheduler.schedule(check, delayMs);
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
