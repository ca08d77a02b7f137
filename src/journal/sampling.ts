/** Says of which messages a journal is kept, so that its cost stays the same at any rate. */
export interface Sampling {
  /** Whether it is kept of a message received at this time. */
  covers(receivedMs: number): boolean;
  /** So many messages, the last of them received then, came in, whether or not they are covered. */
  seen(receivedMs: number, messages: number): void;
  /** So many of them were kept. */
  kept(receivedMs: number, messages: number): void;
}

/** Messages a second. */
export interface SamplingRates {
  /** That are kept. */
  readonly kept: number;
  /** That are a flood. */
  readonly flood: number;
  /** That are kept in the second after one. */
  readonly keptInFlood: number;
}

/** How many seconds are remembered; what is asked of an older one counts as covered. */
const SECONDS = 256;
const SECOND_MS = 1000;

/**
 * Of each second's messages those are covered that were received before as many as `rates` says were kept: below that
 * rate all are. The same answer for the same message at every step of its way, whatever batch it is in.
 */
export function createSampling(rates: SamplingRates): Sampling {
  const second = new Float64Array(SECONDS).fill(-1);
  const seen = new Float64Array(SECONDS);
  const kept = new Float64Array(SECONDS);
  /** How many are kept at most. */
  const most = new Float64Array(SECONDS);
  /** The millisecond of the second from which on messages are not covered. */
  const endMs = new Float64Array(SECONDS);

  const isAfterFlood = (of: number) => {
    const before = (of - 1) % SECONDS;
    return second[before] === of - 1 && (seen[before] ?? 0) > rates.flood;
  };
  const slotOf = (receivedMs: number) => {
    const of = Math.floor(receivedMs / SECOND_MS);
    const slot = of % SECONDS;
    if (of > (second[slot] ?? 0)) {
      second[slot] = of;
      seen[slot] = 0;
      kept[slot] = 0;
      most[slot] = isAfterFlood(of) ? rates.keptInFlood : rates.kept;
      endMs[slot] = SECOND_MS;
    }
    return of === second[slot] ? slot : undefined;
  };

  return {
    covers: (receivedMs) => {
      const slot = slotOf(receivedMs);
      return slot === undefined || receivedMs % SECOND_MS < (endMs[slot] ?? 0);
    },
    seen: (receivedMs, messages) => {
      const slot = slotOf(receivedMs);
      if (slot !== undefined) seen[slot] = (seen[slot] ?? 0) + messages;
    },
    kept: (receivedMs, messages) => {
      const slot = slotOf(receivedMs);
      if (slot === undefined) return;
      kept[slot] = (kept[slot] ?? 0) + messages;
      if ((kept[slot] ?? 0) >= (most[slot] ?? 0)) {
        endMs[slot] = Math.min(endMs[slot] ?? 0, Math.floor(receivedMs % SECOND_MS) + 1);
      }
    },
  };
}
