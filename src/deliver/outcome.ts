import type { Batch } from '../batch.ts';
import type { Messages } from '../message.ts';
import type { Target } from './sink.ts';

/** How a message's way to one backend ended. */
export type Ending = 'delivered' | 'filtered' | 'shed' | 'dead_lettered';

/** What became of messages at one backend. Every message has exactly one outcome per backend it was meant for. */
export interface Outcome {
  readonly kind: 'outcome';
  readonly ending: Ending;
  readonly backend: string;
  /** From a small fixed set, e.g. `ok`, `not_routed`, `filter`, `queue_full`, `permanent`, `operator:<name>`. */
  readonly reason: string;
  /** Who keeps some has to make a list of them first. */
  readonly messages: Messages;
  /** What went wrong with each of them; absent where nothing did, or it is told elsewhere. */
  readonly errors?: readonly string[];
  /** How many more there were, which cannot be named: they were on disk, and were not read. */
  readonly unread?: number;
}

/** A batch on its way to one backend's lane. */
export interface Delivery {
  readonly kind: 'delivery';
  readonly backend: string;
  readonly batch: Batch;
  readonly target: Target;
  /** What the rule said of the target beside its backend: who addresses it anew needs it. Absent: not known. */
  readonly overrides?: object | undefined;
  /** The rule's: lower is dispatched first and shed last. */
  readonly priority: number;
  /** What happens at the lane's bound. Where there is no spool, `spill` is `shed`. */
  readonly whenFull: 'spill' | 'block' | 'shed';
}

/** What routing says of a batch. */
export type Routed = Delivery | Outcome;

/** Builds an outcome. */
export function outcome(ending: Ending, backend: string, reason: string, messages: Messages): Outcome {
  return { kind: 'outcome', ending, backend, reason, messages };
}
