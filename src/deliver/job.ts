import { type Batch, createBatch, mergeBatches } from '../batch.ts';
import type { Message } from '../message.ts';
import { bytesOf } from '../message-text.ts';
import type { Delivery } from './outcome.ts';
import type { Target } from './sink.ts';

/** What one send carries: a delivery's batch, several merged into one, or a part of one. Never mutated. */
export interface Job {
  readonly batch: Batch;
  readonly target: Target;
  readonly overrides?: Delivery['overrides'];
  readonly priority: number;
  readonly whenFull: Delivery['whenFull'];
  /** When the oldest of it was offered, epoch milliseconds. */
  readonly offeredMs: number;
  /** Position among all deliveries of the lane. */
  readonly order: number;
  /** Sends so far that carried these messages. A job that was sent is retried as it is, never merged. */
  readonly sends: number;
  /** Transient failures so far. */
  readonly failures: number;
  /** Sends in a row of which nothing was taken, and why not; absent: none. */
  readonly vain?: { readonly sends: number; readonly error: string } | undefined;
  /** Whether it is on disk and synced; absent: not. */
  readonly stored?: boolean | undefined;
  /** Set if it came from the spool. All parts of a job share it. */
  readonly spooled?: Spooled | undefined;
}

/** Says of what came from the spool how much is left. */
export interface Spooled {
  /** Messages without an outcome. */
  left: number;
  /** Called once, when there are none. */
  readonly done: () => void;
  /** Where it is on disk; absent: it is not what is there, but a part of it, or several. */
  readonly frame?: SpooledFrame;
  /** What it was merged from. */
  readonly parts?: readonly Job[];
}

/** What a job is on disk. */
export interface SpooledFrame {
  /** Key of its target when it was written. */
  readonly target: string;
  readonly messages: number;
  /** Leaves it there, in its order, instead of `done`. */
  readonly putBack: () => void;
}

/** A job that was never sent, of a delivery that came at `offeredMs`; `order` tells which came first. */
export function jobOf(delivery: Delivery, order: number, offeredMs: number): Job {
  const { batch, target, overrides, priority, whenFull } = delivery;
  return { batch, target, overrides, priority, whenFull, offeredMs, order, sends: 0, failures: 0 };
}

/** Jobs of one target, in order, as one. */
export function mergeJobs(jobs: readonly Job[]): Job | undefined {
  const [first] = jobs;
  if (first === undefined || jobs.length === 1) return first;
  const batch = mergeBatches(jobs.map((job) => job.batch));
  const merged = { ...first, batch };
  return first.spooled === undefined ? merged : { ...merged, spooled: together(jobs) };
}

/** Says that messages of the job have their outcome; the last ones are not needed in the spool any more. */
export function ended({ spooled }: Pick<Job, 'spooled'>, messages: number): void {
  if (spooled === undefined) return;
  spooled.left -= messages;
  if (spooled.left === 0) spooled.done();
}

function together(jobs: readonly Job[]): Spooled {
  const all = jobs.flatMap(({ spooled }) => spooled ?? []);
  return {
    left: all.reduce((sum, { left }) => sum + left, 0),
    parts: jobs,
    done: () => {
      for (const { done } of all) done();
    },
  };
}

/** The job with some of its messages, at least one. */
export function partOf<J extends Omit<Job, 'order'>>(job: J, messages: readonly Message[]): J {
  const { source, reason } = job.batch;
  return { ...job, batch: { ...createBatch(messages, bytesOf(messages), reason), source } };
}

/** The job's first and second half. Takes at least two messages. */
export function halvesOf(job: Job): readonly [Job, Job] {
  const { messages } = job.batch;
  const middle = messages.length >> 1;
  return [partOf(job, messages.slice(0, middle)), partOf(job, messages.slice(middle))];
}
