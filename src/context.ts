import type { SchedulerLike } from 'rxjs';
import type { Message, Messages } from './message.ts';

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

/** What happened to messages on their way. */
export type Step =
  /** They became a batch. */
  | { readonly kind: 'batched'; readonly batch: string; readonly reason: BatchReason; readonly size: number }
  /** A rule took them; `rule` is its place in the configuration. */
  | { readonly kind: 'matched'; readonly backend: string; readonly rule: string }
  /** They came to a backend's lane. */
  | { readonly kind: 'queued'; readonly backend: string; readonly target: string }
  /** They were sent: for the n-th time, and how that ended. */
  | {
      readonly kind: 'tried';
      readonly backend: string;
      readonly attempt: number;
      readonly verdict: string;
      /** What went wrong; '' if nothing. */
      readonly error: string;
      /** Where in the backend they are, if it took them and said so; else ''. */
      readonly place: string;
      /** How long it took. */
      readonly ms: number;
    }
  /** Their way to a backend ended. */
  | {
      readonly kind: 'ended';
      readonly backend: string;
      readonly ending: string;
      readonly reason: string;
      /** What went wrong, where no attempt tells it. */
      readonly error?: string | undefined;
    };

/** Remembers what happened to messages, for whoever asks about one; what it does not keep costs it nanoseconds. */
export interface Journal {
  /** Never throws; keeps neither the array nor what it does not need of the messages. */
  note(step: Step, messages: Messages): void;
  /** Is told once what lists the messages of all open batches, which are noted when these close. */
  batching(waiting: () => readonly Message[]): void;
}

/**
 * Learns what becomes of messages whose senders wait to hear of them. A message goes a number of ways, one for each
 * backend's rule; of each way it is told once that it was `admitted` and once that it is `safe`. Never throws; what
 * nobody waits for costs it nanoseconds a batch.
 */
export interface Receipts {
  /** They go so many ways, of which all that is told below is one. */
  routed(messages: Messages, ways: number): void;
  /** They are in a lane, or their way ended before. */
  admitted(messages: Messages): void;
  /** They would survive a power cut, or their way ended before. */
  safe(messages: Messages): void;
  /** Whether a sender waits until they are safe. */
  isAwaited(messages: Messages): boolean;
}

/** Everything impure that a stage may touch; a test replaces all of it. */
export interface Context {
  /** The only clock and timer: `scheduler.now()` is epoch milliseconds. */
  readonly scheduler: SchedulerLike;
  readonly log: Log;
  readonly counters: Counters;
  /** Uniform in [0, 1), for jitter and sampling. */
  readonly random: () => number;
  /** Absent where nobody will ask. */
  readonly journal?: Journal | undefined;
  /** Absent where no sender waits. */
  readonly receipts?: Receipts | undefined;
}

/** Counts nothing, for where nothing flows. */
export const NO_COUNTERS: Counters = {
  received: () => {},
  rejected: () => {},
  batched: () => {},
  added: () => {},
  operatorFailed: () => {},
};
