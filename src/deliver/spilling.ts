import { reviewAside } from './aside.ts';
import { jobOf } from './job.ts';
import { emit, type LaneState, ownBytes } from './lane-state.ts';
import type { Delivery } from './outcome.ts';
import type { LaneSpool } from './spools.ts';

/** Of what is on disk a lane reads enough for this many sends, and at least so much, but no more than half its bound. */
const SENDS_AHEAD = 2;
const AHEAD_BYTES = 8 * 2 ** 20;
/** Where nothing is delivered at all, each probe looks so many times further for a target that may take something. */
const LOOKS_AHEAD = 8;

/** Once a stop has begun, a slow backend may hold up the input for no longer than this. */
const STOP_PATIENCE_MS = 1000;

/**
 * How much waits in memory, as messages, while there is more on disk: what is in a queue for long costs three times its
 * bytes, and every collection of garbage looks at it.
 */
export const aheadBytes = (queueMaxBytes: number, sendBytes: number): number =>
  Math.min(queueMaxBytes / 2, Math.max(AHEAD_BYTES, SENDS_AHEAD * sendBytes));

/** The next probe is waited for: until then more may be passed by in the spool, for one that may be taken. */
export function lookFurther(lane: LaneState): void {
  lane.passableBytes = (lane.spool?.passedBytes ?? 0) + LOOKS_AHEAD * lane.aheadBytes;
}

/** Whether the lane brings what it cannot hold to disk. */
const maySpill = ({ spool, options }: LaneState): boolean =>
  spool !== undefined && options.durability !== 'disk';

/** Whether what came under such a rule may go to disk: all in a stop; and `block` holds while a rule still says so. */
export function isSpillable(lane: LaneState, whenFull: Delivery['whenFull']): boolean {
  if (lane.spool === undefined) return false;
  return (
    lane.unblocked || whenFull === 'spill' || (whenFull === 'block' && lane.options.blocks?.() === false)
  );
}

/** Whether there may be something in the queue for `spill` to take. */
function hasSpillable(lane: LaneState): boolean {
  const { unblocked, queue } = lane;
  if (unblocked) return queue.batches > 0;
  return queue.spillable > 0 || (queue.blockingBytes > 0 && isSpillable(lane, 'block'));
}

/** Gives a delivery to the spool if it has to go there; false if it belongs into the queue. */
export function spool(lane: LaneState, delivery: Delivery, nowMs: number): boolean {
  if (lane.spool === undefined) return false;
  const isBehind = lane.spilling && isSpillable(lane, delivery.whenFull);
  if (lane.options.durability !== 'disk' && !isBehind) return false;
  lane.spool.append(jobOf(delivery, 0, nowMs));
  lane.spooledOrder = lane.queue.order;
  return true;
}

/** When the lane will count as slow, if it stays at its bound: milliseconds from now; never if it spills already. */
export function slowInMs(lane: LaneState, nowMs: number): number {
  if (!maySpill(lane) || lane.spilling || lane.fullSinceMs === undefined) return Number.POSITIVE_INFINITY;
  const patienceMs = lane.unblocked ? Math.min(lane.stallAfterMs, STOP_PATIENCE_MS) : lane.stallAfterMs;
  return Math.min(lane.fullSinceMs, nowMs) + patienceMs - nowMs;
}

/**
 * Brings what waits to disk, and from now on all that comes, until the spool is empty again: what is younger stays
 * behind. What is being sent stays in memory; so does what was being sent when the lane began to spill the last time.
 */
export function spill(lane: LaneState, nowMs: number): void {
  // Looking through the queue is too much for each batch that a stuck backend is offered.
  const { spool, spooledOrder } = lane;
  if (spool === undefined || !maySpill(lane) || lane.spilling || !hasSpillable(lane)) return;
  const jobs = lane.queue.takeOut(
    ({ whenFull, spooled, order }) =>
      isSpillable(lane, whenFull) && spooled === undefined && order >= spooledOrder,
    nowMs,
  );
  if (jobs.length === 0) return;
  for (const job of jobs) spool.append(job);
  lane.spooledOrder = lane.queue.order;
  lane.spilling = true;
  spool.isTold = true;
  lane.context.log.warn(
    { backend: lane.backend },
    'The queue is full: what comes for this backend goes to disk',
  );
}

/** While the disk refuses and the lane is at its bound, the oldest of what waits for the disk is given up. */
export function dropUnwritten(lane: LaneState, bytes: number): void {
  for (const { batch, stored } of lane.spool?.dropPending(bytes) ?? []) {
    emit(lane, 'shed', 'spool_failed', batch.messages, stored);
  }
}

function mayRead(lane: LaneState, { passedBytes }: LaneSpool): boolean {
  const { breaker, passableBytes } = lane;
  return ownBytes(lane) < lane.aheadBytes && (breaker.state === 'closed' || passedBytes < passableBytes);
}

/** Takes from the spool what there is room for; it goes to where the backend is now. */
export function refill(lane: LaneState): void {
  const { spool, queue, context } = lane;
  if (spool === undefined || lane.closed) return;
  reviewAside(lane);
  const isClosing = lane.deadlineMs !== undefined;
  while (mayRead(lane, spool) && (!isClosing || spool.isShort)) {
    const job = spool.take(lane.aside);
    if (job === undefined) break;
    for (const part of lane.readdress(job)) queue.restore(part, context.scheduler.now());
  }
  if (lane.spilling && spool.isEmpty) {
    lane.spilling = false;
    lane.aside.clear();
  }
  if (spool.isTold && spool.isDone) {
    spool.isTold = false;
    context.log.info({ backend: lane.backend }, 'The spool is empty again');
  }
}
