const WINDOW_MS = 10_000;
const MAX_BAD = 100;

/** Watches the share of bad lines on one connection. */
export interface BadLines {
  /** One more line was bad; `good` were good so far. */
  add(good: number): void;
  /** Whether more than 100 lines, and more than half of all, were bad within 10 s. */
  isHopeless(): boolean;
}

/** Counts in windows that begin with a bad line; costs nothing while all lines are good. */
export function createBadLines(now: () => number): BadLines {
  let sinceMs = Number.NEGATIVE_INFINITY;
  let bad = 0;
  let goodBefore = 0;
  let isHopeless = false;
  return {
    add(good) {
      const nowMs = now();
      if (nowMs - sinceMs >= WINDOW_MS) {
        sinceMs = nowMs;
        bad = 0;
        goodBefore = good;
      }
      bad++;
      isHopeless ||= bad > MAX_BAD && bad > good - goodBefore;
    },
    isHopeless: () => isHopeless,
  };
}
