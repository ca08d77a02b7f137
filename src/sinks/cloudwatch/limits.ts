/**
 * Limits of PutLogEvents, from its reference: a call's bytes are its messages in UTF-8 and 26 for each, its events are
 * in order of time and span at most 24 hours, and those older than 14 days or more than 2 hours ahead are refused.
 */
export const LIMITS = {
  callBytes: 1_048_576,
  callEvents: 10_000,
  eventOverheadBytes: 26,
  /** Of one event's message: alone it must still fit into a call. */
  messageBytes: 1_048_576 - 26,
  spanMs: 24 * 3_600_000,
  maxAgeMs: 14 * 24 * 3_600_000,
  maxAheadMs: 2 * 3_600_000,
  /** Of a group's or a stream's name, characters. */
  nameLength: 512,
} as const;
