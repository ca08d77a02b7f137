import type { Subscription } from 'rxjs';
import type { Context } from '../context.ts';
import type { Alarm } from '../flow/alarm.ts';
import type { Broadcast, BroadcastState } from '../flow/broadcast.ts';
import type { Message, Messages } from '../message.ts';
import type { createReaddress } from './addressing.ts';
import type { Breaker, BreakerOptions } from './breaker.ts';
import type { DeadLetters } from './dead-letters.ts';
import { ended, type Job } from './job.ts';
import { type Ending, type Outcome, outcome } from './outcome.ts';
import type { Queue } from './queue.ts';
import { errorText, type RetryOptions } from './retry.ts';
import type { MergeLimits, Sink } from './sink.ts';
import type { LaneSpool } from './spools.ts';

export interface LaneOptions {
  /** Bound of what waits or is being sent. */
  readonly queueMaxBytes: number;
  /** Sends at the same time; of one target, as many as its sink allows. */
  readonly concurrency: number;
  /** A send without an answer by then is aborted and counts as a transient failure. */
  readonly sendTimeoutMs: number;
  /** Narrows the sink's own limits; `maxAgeMs` lets batches wait that long for others to share their send. */
  readonly merge?: (Partial<MergeLimits> & { readonly maxAgeMs?: number }) | undefined;
  readonly retry: RetryOptions;
  readonly breaker: BreakerOptions;
  /** A busy backend without a success for so long is stuck: at its bound it sheds. Default: the sink's. */
  readonly stallAfterMs?: number;
  /** Messages that are never shed. Default: events of level error and above. */
  readonly isCritical?: (message: Message) => boolean;
  /** Whether a rule in force says `block`; where none does any more, what came under one may go to disk. Default: yes. */
  readonly blocks?: () => boolean;
  /** `disk`: a batch is sent only once it would survive a power cut. Needs a spool. Default `memory`. */
  readonly durability?: 'memory' | 'disk';
  /** Names the configuration in force, for the dead letters. Default `''`. */
  readonly configHash?: string;
}

/** What a lane needs of its surroundings. */
export interface DeliverContext extends Context {
  readonly deadLetters: DeadLetters;
}

/** A job on its way. */
export interface Sending {
  readonly job: Job;
  subscription: Subscription | undefined;
}

/**
 * All that a lane knows. States: open → closing (`deadlineMs` set: nothing is taken any more, what waits is tried) →
 * closed (`sink.close()` called; then the streams complete).
 */
export interface LaneState {
  readonly backend: string;
  readonly sink: Sink;
  readonly options: LaneOptions;
  readonly stallAfterMs: number;
  /** See `aheadBytes` in spilling.ts. */
  readonly aheadBytes: number;
  readonly context: DeliverContext;
  readonly queue: Queue;
  readonly spool: LaneSpool | undefined;
  /** Of what comes from the spool. */
  readonly readdress: ReturnType<typeof createReaddress>;
  readonly breaker: Breaker;
  readonly outcome: Broadcast<Outcome>;
  readonly full: BroadcastState<boolean>;
  readonly end: Broadcast<never>;
  /** At most `concurrency`. No Set: one that members come and go in keeps them until V8's next full collection. */
  readonly sending: Sending[];
  /** Rings when a waiting batch comes due. */
  readonly dueAlarm: Alarm;
  /** Set while the backend wants a pause. */
  readonly pauseAlarm: Alarm;
  /** Rings when a lane at its bound may have to be called stuck. */
  readonly stallAlarm: Alarm;
  readonly deadlineAlarm: Alarm;
  /** Whether what may be spilled goes to the spool, as there is something before it. */
  spilling: boolean;
  /** Whether a stop has begun: what the lane cannot take goes to the spool, if there is one, whatever its rule says. */
  unblocked: boolean;
  /** Targets that take nothing, by what the spool calls them: what it has of them is left there. */
  readonly aside: Map<string, string>;
  /** Whether some of these may take something now, or have nothing left that is tried. */
  mayComeBack: boolean;
  /** How much the spool may have passed by until the next probe begins. */
  passableBytes: number;
  /** The queue's order when the last job went to the spool: what is younger came after it. */
  spooledOrder: number;
  /** Since when the lane has been at its bound, epoch milliseconds. */
  fullSinceMs: number | undefined;
  sendingBytes: number;
  sendingBlockingBytes: number;
  sendingMessages: number;
  /** When the first send after the last success began, epoch milliseconds. */
  unansweredSinceMs: number | undefined;
  /** When the pause ends, if `pauseAlarm` is set, epoch milliseconds. */
  pauseEndsMs: number;
  /** What `dueAlarm` was set to, epoch milliseconds. */
  dueMs: number;
  /** When closing must be over, epoch milliseconds. */
  deadlineMs: number | undefined;
  closed: boolean;
  pumping: boolean;
  /** Messages that came to it. */
  offered: number;
  /** Messages delivered. */
  sent: number;
  retries: number;
  /** Messages given up at shutdown. */
  abandoned: number;
  /** What closing leaves to the spool. */
  readonly left: Job[];
  lastError: string;
  /** When that was, epoch milliseconds; `undefined` if no send failed yet. */
  lastErrorMs: number | undefined;
  /** When messages became dead letters last, and when the log said so last, epoch milliseconds. */
  buriedMs: number;
  buriedLoggedMs: number;
  /** Why they did. */
  buriedError: string;
  /** When the log was told of a target that takes nothing last, epoch milliseconds. */
  stuckLoggedMs: number;
}

/** What the lane itself holds in memory. */
export const ownBytes = (lane: LaneState): number => lane.queue.bytes + lane.sendingBytes;

/** What counts against the lane's bound: that, and what is on its way to the disk. */
export const heldBytes = (lane: LaneState): number => ownBytes(lane) + (lane.spool?.pendingBytes ?? 0);

/** Says what became of messages at the lane's backend; of those that are `stored` it was said already that they are safe. */
export function emit(
  lane: LaneState,
  ending: Ending,
  reason: string,
  messages: Messages,
  stored: boolean | undefined,
): void {
  lane.outcome.next(outcome(ending, lane.backend, reason, messages));
  // Whoever sent what is given up now may send it again after the restart.
  if (stored !== true && reason !== 'shutdown') lane.context.receipts?.safe(messages);
}

/** Writes messages of a job to the dead letters and says so. */
export function bury(
  lane: LaneState,
  job: Job,
  reason: string,
  error: unknown,
  messages = job.batch.messages,
): void {
  const { backend, options, context } = lane;
  const written = context.deadLetters.write({
    backend,
    reason,
    error: errorText(error),
    attempts: job.sends,
    config: options.configHash ?? '',
    target: job.target.key,
    messages,
  });
  emit(lane, 'dead_lettered', written ? reason : unwritten(reason), messages, job.stored);
  ended(job, messages.length);
  const nowMs = context.scheduler.now();
  const text = errorText(error);
  if (written) {
    lane.buriedMs = nowMs;
    lane.buriedError = text;
  }
  if (nowMs - lane.buriedLoggedMs < BURIED_EVERY_MS) return;
  lane.buriedLoggedMs = nowMs;
  context.log.warn(
    { backend, reason, error: text, messages: messages.length },
    written
      ? 'Messages became dead letters; `sidecar dlq ls` counts them'
      : 'Messages were refused for good, and no dead letters of them are kept',
  );
}

/** One line a minute: a backend may refuse everything. */
const BURIED_EVERY_MS = 60_000;

/** The reason of messages that should have become dead letters and could not be written. */
export const unwritten = (reason: string): string => `${reason}_unwritten`;
