import type { SchedulerLike } from 'rxjs';

/** Structured log: fields first, then one human sentence. A pino logger fits. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** Why a batch closed. */
export type BatchReason = 'count' | 'age' | 'bytes' | 'critical' | 'flush';

/** Monotonic counts, kept by whoever shows them; a call costs nanoseconds and never throws. */
export interface Counters {
  /** One record became a message. */
  received(source: string, type: string): void;
  /** One frame, line or connection was refused. `reason` is from a fixed, small set. */
  rejected(reason: string): void;
  /** A batch of `messages` messages closed. */
  batched(reason: BatchReason, messages: number): void;
  /** Messages for a backend beyond one per received message (a second rule, or made by an operator). */
  added(backend: string, messages: number): void;
  /** An operator threw, emitted nonsense or ended; `file` names it. */
  operatorFailed(file: string): void;
}

/** Everything impure that a stage may touch; a test replaces all of it. */
export interface Context {
  /** The only clock and timer: `scheduler.now()` is epoch milliseconds. */
  readonly scheduler: SchedulerLike;
  readonly log: Log;
  readonly counters: Counters;
  /** Uniform in [0, 1), for jitter and sampling. */
  readonly random: () => number;
}

/** Counts nothing, for where nothing flows. */
export const NO_COUNTERS: Counters = {
  received: () => {},
  rejected: () => {},
  batched: () => {},
  added: () => {},
  operatorFailed: () => {},
};
