/** Says of which messages a journal is kept, so that its cost stays the same at any rate. */
export interface Sampling {
  /** Whether it is kept of a message received at this time. */
  covers(receivedMs: number): boolean;
  /** So many messages, the last of them received then, were kept as they came in. */
  kept(receivedMs: number, messages: number): void;
}

/** How many seconds are remembered; what is asked of an older one counts as covered. */
const SECONDS = 256;
const SECOND_MS = 1000;

/**
 * Of each second's messages those are covered that were received before `maxPerSecond` of them were kept: below that
 * rate all are. The same answer for the same message at every step of its way, whatever batch it is in.
 */
export function createSampling(maxPerSecond: number): Sampling {
  const second = new Float64Array(SECONDS).fill(-1);
  const kept = new Float64Array(SECONDS);
  /** The millisecond of the second from which on messages are not covered. */
  const endMs = new Float64Array(SECONDS);

  const slotOf = (receivedMs: number) => {
    const of = Math.floor(receivedMs / SECOND_MS);
    const slot = of % SECONDS;
    if (of > (second[slot] ?? 0)) {
      second[slot] = of;
      kept[slot] = 0;
      endMs[slot] = SECOND_MS;
    }
    return of === second[slot] ? slot : undefined;
  };

  return {
    covers: (receivedMs) => {
      const slot = slotOf(receivedMs);
      return slot === undefined || receivedMs % SECOND_MS < (endMs[slot] ?? 0);
    },
    kept: (receivedMs, messages) => {
      const slot = slotOf(receivedMs);
      if (slot === undefined) return;
      kept[slot] = (kept[slot] ?? 0) + messages;
      if ((kept[slot] ?? 0) >= maxPerSecond) {
        endMs[slot] = Math.min(endMs[slot] ?? 0, Math.floor(receivedMs % SECOND_MS) + 1);
      }
    },
  };
}
