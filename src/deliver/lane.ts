import type { Observable } from 'rxjs';
import { createAlarm } from '../flow/alarm.ts';
import { broadcast, broadcastState } from '../flow/broadcast.ts';
import type { Message } from '../message.ts';
import { createReaddress } from './addressing.ts';
import { reviewBound } from './bound.ts';
import { type BreakerState, createBreaker } from './breaker.ts';
import { finishIfDone, finishNow } from './closing.ts';
import { pump } from './dispatch.ts';
import { jobOf } from './job.ts';
import { type DeliverContext, emit, heldBytes, type LaneOptions, type LaneState } from './lane-state.ts';
import type { Delivery, Outcome } from './outcome.ts';
import { createQueue } from './queue.ts';
import { errorText } from './retry.ts';
import type { MergeLimits, Sink } from './sink.ts';
import { aheadBytes, lookFurther, spool } from './spilling.ts';
import type { LaneSpool } from './spools.ts';

export type { DeliverContext, LaneOptions } from './lane-state.ts';

/** A backend's way of its own: a bounded queue, retries, a breaker. Nothing in it touches another lane. */
export interface Lane {
  /** Takes a delivery; its outcomes follow on `outcome$`, perhaps before this returns. Never throws, never waits. */
  offer(delivery: Delivery): void;
  /** Hot; never errors; completes when the lane is closed. */
  readonly outcome$: Observable<Outcome>;
  /** Whether the input should pause: at the bound of a slow backend, or of a stuck one with rules that block. */
  readonly full$: Observable<boolean>;
  /** A stop has begun: where there is a spool, what is at the bound goes there, whatever its rule says. */
  unblock(): void;
  /** To be called when what `LaneOptions.blocks` says may have changed. */
  review(): void;
  /** O(targets that wait). */
  stats(): LaneStats;
  /**
   * Takes nothing more, tries what waits until the deadline, sheds the rest (reason `shutdown`), closes the sink. A
   * backend known to be dead is tried once more, at once, and not waited for. Starts at the call, whoever subscribes;
   * a second call may only bring the deadline nearer. Completes when all is done.
   */
  close(deadlineMs: number): Observable<never>;
}

export interface LaneStats {
  /** Messages queued, being sent or waiting for a retry. */
  readonly inFlightMessages: number;
  /** The batches that they are in. */
  readonly inFlightBatches: number;
  /** The same in bytes, the figure that is held against `queueMaxBytes`. */
  readonly queueBytes: number;
  readonly queueMaxBytes: number;
  /** Age of the oldest of them; 0 if there are none. */
  readonly oldestMs: number;
  readonly breaker: BreakerState;
  /** Milliseconds until an open breaker lets a probe through; else 0. */
  readonly nextProbeMs: number;
  /** Messages that came to it since the lane opened. */
  readonly offered: number;
  /** Messages delivered since the lane opened. */
  readonly sent: number;
  /** Sends that were or will be repeated. */
  readonly retries: number;
  /** Messages given up at shutdown. */
  readonly abandoned: number;
  /** `''` if no send failed yet. */
  readonly lastError: string;
  /** When that was, epoch milliseconds. */
  readonly lastErrorMs: number | undefined;
  /** Milliseconds since messages became dead letters last; Infinity if none did. */
  readonly buriedAgoMs: number;
  /** Why they did; `''` if none did. */
  readonly buriedError: string;
  /** Targets that do not take what they are sent, try after try; absent: none. */
  readonly stuck: StuckTargets | undefined;
}

/** How many they are, one of them, and why. */
export interface StuckTargets {
  readonly targets: number;
  readonly target: string;
  readonly error: string;
}

const STALL_AFTER_MS = 1000;
const ERROR_LEVEL = 5;

/** Opens a lane's way to its backend's spool; `changed` is called when there is more or less in it. */
export type OpenSpool = (changed: () => void) => LaneSpool;

/** Opens the lane of an open sink, which it will close. Without a spool, nothing goes to disk. */
export function openLane(
  backend: string,
  sink: Sink,
  options: LaneOptions,
  context: DeliverContext,
  openSpool?: OpenSpool,
): Lane {
  const spool = openSpool?.(() => review(lane));
  const lane = createState(backend, sink, options, context, spool);
  // What is there already may have nothing come behind it.
  if (lane.spilling) lane.pauseAlarm.set(0);
  return {
    outcome$: lane.outcome.value$,
    full$: lane.full.value$,
    offer: (delivery) => offer(lane, delivery),
    unblock: () => {
      lane.unblocked = true;
      reviewRules(lane);
    },
    review: () => reviewRules(lane),
    stats: () => statsOf(lane),
    close: (deadlineMs) => {
      close(lane, deadlineMs);
      return lane.end.value$;
    },
  };
}

function createState(
  backend: string,
  sink: Sink,
  options: LaneOptions,
  context: DeliverContext,
  spool: LaneSpool | undefined,
): LaneState {
  const { scheduler } = context;
  const merge = mergeLimits(sink.merge, options.merge);
  const lane: LaneState = {
    backend,
    sink,
    options,
    stallAfterMs: options.stallAfterMs ?? sink.stallAfterMs ?? STALL_AFTER_MS,
    // Where it is not known beforehand what a send may carry, as much as may be.
    aheadBytes: aheadBytes(options.queueMaxBytes, sink.limits ? Number.POSITIVE_INFINITY : merge.maxBytes),
    context,
    queue: createQueue({
      merge,
      limitsOf:
        sink.limits &&
        (({ target, batch }) => mergeLimits(sink.limits?.(target, batch) ?? sink.merge, options.merge)),
      maxAgeMs: options.merge?.maxAgeMs ?? sink.merge.maxAgeMs ?? 0,
      busyAgeMs: options.merge?.maxAgeMs ?? sink.merge.busyAgeMs,
      perTarget: Math.min(sink.sendsPerTarget ?? 1, options.concurrency),
      isCritical: options.isCritical ?? ((message: Message) => message.severity >= ERROR_LEVEL),
    }),
    spool,
    readdress: createReaddress(sink),
    // What comes now stays behind what an earlier process left.
    spilling: spool !== undefined && !spool.isEmpty,
    unblocked: false,
    aside: new Map(),
    mayComeBack: false,
    passableBytes: 0,
    spooledOrder: 0,
    fullSinceMs: undefined,
    breaker: createBreaker(options.breaker, scheduler, (to, from, error) => onBreaker(lane, to, from, error)),
    outcome: broadcast(),
    full: broadcastState(false),
    end: broadcast(),
    sending: [],
    dueAlarm: createAlarm(scheduler, () => pump(lane)),
    pauseAlarm: createAlarm(scheduler, () => pump(lane)),
    stallAlarm: createAlarm(scheduler, () => reviewBound(lane, scheduler.now())),
    deadlineAlarm: createAlarm(scheduler, () => finishNow(lane)),
    sendingBytes: 0,
    sendingBlockingBytes: 0,
    sendingMessages: 0,
    unansweredSinceMs: undefined,
    pauseEndsMs: 0,
    dueMs: 0,
    deadlineMs: undefined,
    closed: false,
    pumping: false,
    offered: 0,
    sent: 0,
    retries: 0,
    abandoned: 0,
    left: [],
    lastError: '',
    lastErrorMs: undefined,
    buriedMs: Number.NEGATIVE_INFINITY,
    buriedLoggedMs: Number.NEGATIVE_INFINITY,
    buriedError: '',
    stuckLoggedMs: Number.NEGATIVE_INFINITY,
  };
  return lane;
}

function offer(lane: LaneState, delivery: Delivery): void {
  lane.offered += delivery.batch.messages.length;
  if (lane.deadlineMs !== undefined) {
    if (lane.spool !== undefined) {
      lane.spool.append(jobOf(delivery, 0, lane.context.scheduler.now()));
      return;
    }
    lane.abandoned += delivery.batch.messages.length;
    emit(lane, 'shed', 'shutdown', delivery.batch.messages, false);
    return;
  }
  const nowMs = lane.context.scheduler.now();
  // A lane that was idle has only just become busy.
  if (heldBytes(lane) === 0) lane.unansweredSinceMs = undefined;
  if (!spool(lane, delivery, nowMs)) lane.queue.add(withSpool(lane, delivery), nowMs);
  reviewBound(lane, nowMs);
  pump(lane);
}

/** Without a spool, what may be spilled may be shed. */
const withSpool = ({ spool }: LaneState, delivery: Delivery): Delivery =>
  spool === undefined && delivery.whenFull === 'spill' ? { ...delivery, whenFull: 'shed' } : delivery;

/** The spool has more, or less. */
function review(lane: LaneState): void {
  if (lane.closed) return;
  reviewBound(lane, lane.context.scheduler.now());
  pump(lane);
  finishIfDone(lane);
}

/** More may go to disk than before, or less. */
function reviewRules(lane: LaneState): void {
  lane.stallAlarm.clear();
  review(lane);
}

function close(lane: LaneState, inMs: number): void {
  const nowMs = lane.context.scheduler.now();
  const first = lane.deadlineMs === undefined;
  lane.deadlineMs = Math.min(lane.deadlineMs ?? Number.POSITIVE_INFINITY, nowMs + inMs);
  lane.deadlineAlarm.set(lane.deadlineMs - nowMs);
  if (first) {
    lane.full.set(false);
    // One try at once for all, whatever they were waiting for.
    lane.queue.setPatient(false, nowMs);
    lane.queue.retryNow(nowMs);
    lane.pauseAlarm.clear();
    lane.breaker.probeNow();
    pump(lane);
  }
  finishIfDone(lane);
}

function onBreaker(lane: LaneState, to: BreakerState, from: BreakerState, error: unknown): void {
  const { log } = lane.context;
  const fields = { backend: lane.backend, breaker: to };
  if (to === 'open') {
    lookFurther(lane);
    const level = from === 'closed' ? 'warn' : 'debug';
    log[level](
      { ...fields, error: errorText(error), next_probe_ms: lane.breaker.nextProbeMs },
      'Backend fails: breaker open',
    );
  } else if (to === 'half-open') {
    log.debug(fields, 'Trying the backend with one batch: breaker half-open');
    pump(lane);
  } else {
    log.info(fields, 'Backend answers again: breaker closed');
  }
}

function statsOf(lane: LaneState): LaneStats {
  const { queue, breaker, offered, sent, retries, abandoned, lastError, lastErrorMs, context } = lane;
  let oldestMs = queue.oldestMs();
  for (const { job } of lane.sending) oldestMs = Math.min(oldestMs ?? job.offeredMs, job.offeredMs);
  return {
    inFlightMessages: queue.messages + lane.sendingMessages,
    inFlightBatches: queue.batches + lane.sending.length,
    queueBytes: heldBytes(lane),
    queueMaxBytes: lane.options.queueMaxBytes,
    oldestMs: oldestMs === undefined ? 0 : Math.max(0, context.scheduler.now() - oldestMs),
    breaker: breaker.state,
    nextProbeMs: breaker.nextProbeMs,
    offered,
    sent,
    retries,
    abandoned,
    lastError,
    lastErrorMs,
    buriedAgoMs: context.scheduler.now() - lane.buriedMs,
    buriedError: lane.buriedError,
    stuck: stuckOf(lane),
  };
}

function stuckOf({ queue, sending, options }: LaneState): StuckTargets | undefined {
  const errors = new Map<string, string>();
  for (const { target, vain } of [...queue.heads(), ...sending.map(({ job }) => job)]) {
    if (vain !== undefined && vain.sends >= options.breaker.failures) errors.set(target.key, vain.error);
  }
  const [first] = errors;
  return first && { targets: errors.size, target: first[0], error: first[1] };
}

function mergeLimits(sink: MergeLimits, narrower: Partial<MergeLimits> = {}): MergeLimits {
  return {
    maxMessages: Math.min(sink.maxMessages, narrower.maxMessages ?? Number.POSITIVE_INFINITY),
    maxBytes: Math.min(sink.maxBytes, narrower.maxBytes ?? Number.POSITIVE_INFINITY),
  };
}
