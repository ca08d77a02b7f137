import type { Message, Messages } from '../message.ts';
import { type Job, jobOf, mergeJobs } from './job.ts';
import type { Entry } from './line.ts';
import { createLines } from './lines.ts';
import type { Delivery } from './outcome.ts';
import { createShedOrder, remainderOf } from './shedding.ts';
import type { MergeLimits } from './sink.ts';

export interface QueueOptions {
  /** What one send may carry. */
  readonly merge: MergeLimits;
  /** The same of one target, asked with every job that joins those that wait for it. */
  readonly limitsOf?: ((joining: Job) => MergeLimits) | undefined;
  /** How long a batch waits for others to share its send; 0 not at all. A critical one never waits. */
  readonly maxAgeMs: number;
  /** The same behind a large send; see `MergeLimits`. Default `maxAgeMs`. */
  readonly busyAgeMs?: number | undefined;
  /** How many jobs of one target may be out at once, one fewer beside other targets; default 1. */
  readonly perTarget?: number;
  /** Messages that are never shed. */
  readonly isCritical: (message: Message) => boolean;
}

/** What waits in a lane. Pure: knows no clock, does nothing by itself; `nowMs` is epoch milliseconds. */
export interface Queue {
  /** Sums over what waits; what was taken does not count until it is put back. */
  readonly bytes: number;
  readonly messages: number;
  readonly batches: number;
  /** The part of `bytes` that may not be shed because its rule says `block`. */
  readonly blockingBytes: number;
  /** Jobs whose rule says `spill`. */
  readonly spillable: number;
  /** Position of the next delivery among all. */
  readonly order: number;
  add(delivery: Delivery, nowMs: number): void;
  /** Adds what was a job before, behind all others. */
  restore(job: Omit<Job, 'order'>, nowMs: number): void;
  /** The next job to send, its target taken (once more) until `release` or `putBack`; `undefined` if none is due. */
  take(nowMs: number): Job | undefined;
  /**
   * The same for a probe of a backend that fails: what failed least goes first, whatever its priority, and no retry
   * waits for its time. So each target has its turn, and one that is at fault alone does not keep the others waiting.
   */
  takeProbe(nowMs: number): Job | undefined;
  /** Says that a taken job is done with. */
  release(job: Job, nowMs: number): void;
  /** Puts a taken job, or its parts in order, back to the front of its line; not due before `retryAtMs` (0 at once). */
  putBack(jobs: readonly Job[], retryAtMs: number, nowMs: number): void;
  /** When the next job comes due, if its target is not taken: 0 now, `undefined` never. */
  dueMs(): number | undefined;
  /** Turns waiting for company off and on. */
  setPatient(on: boolean, nowMs: number): void;
  /** Makes every retry due. */
  retryNow(nowMs: number): void;
  /** Sheds what may be shed, in its order, until `bytes` are free or nothing is left. O(what is shed), amortised. */
  shed(bytes: number, nowMs: number, onShed: (job: Job, messages: Messages) => void): void;
  /** The same of critical messages, which `shed` leaves alone. */
  shedCritical(bytes: number, nowMs: number, onShed: (job: Job, messages: Messages) => void): void;
  /** Takes out everything, due or not; what waits for one target at one priority in its order. */
  clear(): Job[];
  /** Takes out what matches, oldest first. */
  takeOut(matches: (job: Job) => boolean, nowMs: number): Job[];
  /** What is next of each target, by priority. O(targets). */
  heads(): readonly Job[];
  /** The same of one target. */
  headsOf(target: string): readonly Job[];
  /** When the oldest of what waits was offered, epoch milliseconds. O(targets). */
  oldestMs(): number | undefined;
}

/** A queue by priority, then by age, with an order for sending (`lines.ts`) and one for shedding (`shedding.ts`). */
export function createQueue({ isCritical, ...options }: QueueOptions): Queue {
  const lines = createLines(options);
  const sheddable = createShedOrder(isCritical);
  let bytes = 0;
  let messages = 0;
  let batches = 0;
  let blockingBytes = 0;
  let spillable = 0;
  let order = 0;

  const count = ({ job, messages: n, bytes: size }: Entry, sign: 1 | -1) => {
    bytes += sign * size;
    messages += sign * n;
    batches += sign;
    if (job.whenFull === 'block') blockingBytes += sign * size;
    if (job.whenFull === 'spill') spillable += sign;
  };

  const shed =
    (critical: boolean): Queue['shed'] =>
    (wanted, nowMs, onShed) =>
      sheddable.shed(wanted, critical, (entry, dropped, freed) => {
        bytes -= freed;
        messages -= dropped.length;
        lines.shrink(entry, dropped.length, freed);
        if (entry.messages === 0) {
          batches--;
          lines.remove(entry, nowMs);
        }
        onShed(entry.job, dropped);
      });

  const add = (job: Job, nowMs: number) => {
    const entry = entryOf(job, 0);
    count(entry, 1);
    lines.append(entry, nowMs);
    if (job.whenFull === 'shed') sheddable.append(entry);
  };

  const taken = (entries: readonly Entry[]) => {
    for (const entry of entries) {
      count(entry, -1);
      sheddable.remove(entry);
    }
    return mergeJobs(entries.map(remainderOf));
  };

  return {
    get bytes() {
      return bytes;
    },
    get messages() {
      return messages;
    },
    get batches() {
      return batches;
    },
    get blockingBytes() {
      return blockingBytes;
    },
    get spillable() {
      return spillable;
    },
    get order() {
      return order;
    },
    add: (delivery, nowMs) => add(jobOf(delivery, order++, nowMs), nowMs),
    restore: (job, nowMs) => add({ ...job, order: order++ }, nowMs),
    take: (nowMs) => taken(lines.take(nowMs)),
    takeProbe: (nowMs) => taken(lines.takeProbe(nowMs)),
    release: (job, nowMs) => lines.release(job.target.key, nowMs),
    putBack: (jobs, retryAtMs, nowMs) => {
      for (const job of jobs.toReversed()) {
        const entry = entryOf(job, retryAtMs);
        count(entry, 1);
        lines.prepend(entry);
        if (job.whenFull === 'shed') sheddable.prepend(entry);
      }
      const [first] = jobs;
      if (first !== undefined) lines.release(first.target.key, nowMs);
    },
    dueMs: lines.dueMs,
    setPatient: lines.setPatient,
    retryNow: lines.retryNow,
    shed: shed(false),
    shedCritical: shed(true),
    clear: () => {
      const jobs: Job[] = [];
      for (const entry of lines.clear()) {
        count(entry, -1);
        sheddable.remove(entry);
        jobs.push(remainderOf(entry));
      }
      return jobs;
    },
    takeOut: (matches, nowMs) => {
      const out = lines.entries().filter(({ job }) => matches(job));
      out.sort((a, b) => a.job.order - b.job.order);
      for (const entry of out) {
        lines.remove(entry, nowMs);
        count(entry, -1);
        sheddable.remove(entry);
      }
      return out.map(remainderOf);
    },
    heads: () => Array.from(lines.heads(), ({ job }) => job),
    headsOf: (target) => lines.headsOf(target).map(({ job }) => job),
    oldestMs: () => {
      let oldest: number | undefined;
      for (const { job } of lines.heads()) oldest = Math.min(oldest ?? job.offeredMs, job.offeredMs);
      return oldest;
    },
  };
}

function entryOf(job: Job, retryAtMs: number): Entry {
  return {
    job,
    messages: job.batch.messages.length,
    bytes: job.batch.bytes,
    retryAtMs,
    line: undefined,
    inLine: undefined,
    arrival: undefined,
    parts: undefined,
  };
}
