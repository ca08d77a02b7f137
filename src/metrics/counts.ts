import type { Counters } from '../context.ts';
import type { Outcome } from '../deliver/outcome.ts';
import { labelOf } from './label.ts';
import { createPresence, type Presence } from './presence.ts';
import { createReceived, type Received } from './received.ts';
import { createTally, type Row, type Tally } from './tally.ts';

/** What became of a configuration that was read. */
export type ReloadResult = 'applied' | 'rejected' | 'unchanged';

/** Everything that is counted, as sums. */
export interface Counts {
  readonly received: Received;
  readonly rejected: Tally;
  readonly batches: Tally;
  readonly batchedMessages: Tally;
  readonly added: Tally;
  readonly outcomes: Tally;
  readonly reloads: Tally;
  readonly operatorErrors: Tally;
  readonly presence: Presence;
}

/** The writing side of the counts. */
export interface Recorder extends Counters {
  /** Counts the outcome of a batch's messages at one backend. */
  outcome(outcome: Outcome): void;
  reloaded(result: ReloadResult): void;
  /**
   * A plan with these backends takes the batches that close from now on. Messages of batches that close without a
   * backend count for it as filtered, `not_configured`, so that its balance holds over reloads.
   */
  planned(backends: readonly string[]): void;
}

/** Sums at zero; at most `maxSources` sources are told apart. */
export function createCounts(maxSources: number): Counts {
  const batchedMessages = createTally();
  return {
    received: createReceived(maxSources),
    rejected: createTally(),
    batches: createTally(),
    batchedMessages,
    added: createTally(),
    outcomes: createTally(),
    reloads: createTally(),
    operatorErrors: createTally(),
    presence: createPresence(() => sumOf(batchedMessages.rows())),
  };
}

/** Opens the writing side; series whose labels are known beforehand appear at once, at zero. */
export function createRecorder(counts: Counts): Recorder {
  const { received, rejected, batches, batchedMessages, added, outcomes, reloads, operatorErrors, presence } =
    counts;
  for (const reason of ['count', 'age', 'bytes', 'critical', 'flush']) batches.add([reason], 0);
  for (const result of ['applied', 'rejected']) reloads.add([result], 0);
  return {
    received: received.add,
    rejected: (reason) => rejected.add([reason], 1),
    batched: (reason, messages) => {
      batches.add([reason], 1);
      batchedMessages.add([reason], messages);
    },
    added: (backend, messages) => added.add([backend], messages),
    operatorFailed: (file) => operatorErrors.add([file], 1),
    outcome: ({ backend, ending, reason, messages, unread = 0 }) =>
      outcomes.add([backend, ending, reason], messages.length + unread),
    reloaded: (result) => reloads.add([result], 1),
    planned: (backends) => {
      presence.planned(backends.map(labelOf));
      for (const backend of backends) outcomes.add([backend, 'delivered', 'ok'], 0);
    },
  };
}

/** Messages by backend, ending and reason, those that closed while the backend was in no plan included. */
export function outcomeRows({ outcomes, presence }: Counts): Row[] {
  const missed = Array.from(
    presence.backends(),
    (backend): Row => [[backend, 'filtered', 'not_configured'], presence.missed(backend)],
  );
  return [...outcomes.rows(), ...missed.filter(([, messages]) => messages > 0)];
}

/** The sum of the rows' values. */
export const sumOf = (rows: readonly Row[]) => rows.reduce((sum, [, value]) => sum + value, 0);
