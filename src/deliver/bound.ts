import { ended } from './job.ts';
import { bury, emit, heldBytes, type LaneState, ownBytes } from './lane-state.ts';
import { dropUnwritten, isSpillable, slowInMs, spill } from './spilling.ts';

/** A lane that was at its bound is not any more below this part of it. */
const RELIEF = 0.9;
/** Past this part of its bound nothing waits for company: room is made before the input would have to wait. */
const PATIENCE = 0.75;
/** Critical messages may go beyond the bound this far, and then fall back so far. */
const RESERVE = 1.25;
const RESERVE_RELIEF = 1.2;

/**
 * Holds the lane to its bound; call it after every change of what it holds and of the breaker. What waits for a backend
 * that makes no progress goes to disk before that, where it may: from there it comes back as it is needed.
 *
 * States: free → full (at the bound of a backend that makes progress: the input waits) → free below 90 %; or →
 * stuck (at the bound of one that does not, or not enough for a while: spills what may go to disk, sheds the rest
 * down to 90 %, and the input waits only for the disk and for rules that say `block`).
 */
export function reviewBound(lane: LaneState, nowMs: number): void {
  if (lane.deadlineMs !== undefined) return;
  if (ownBytes(lane) > lane.aheadBytes && isStuck(lane, nowMs)) spill(lane, nowMs);
  const over = isOver(lane);
  lane.queue.setPatient(heldBytes(lane) <= lane.options.queueMaxBytes * PATIENCE, nowMs);
  if (!over) {
    lane.stallAlarm.clear();
    lane.fullSinceMs = undefined;
    lane.full.set(false);
    return;
  }
  lane.fullSinceMs ??= nowMs;
  const slowMs = slowInMs(lane, nowMs);
  const stuck = isStuck(lane, nowMs);
  if (slowMs <= 0) spill(lane, nowMs);
  if (stuck) {
    dropUnwritten(lane, heldBytes(lane) - lane.options.queueMaxBytes * RELIEF);
    shed(lane, nowMs);
    lane.full.set(isOver(lane) && mustWait(lane));
  } else {
    // Slow and nothing to spill: the next thing that can happen is that it is stuck.
    const waitMs = Math.min(stallsInMs(lane, nowMs), slowMs > 0 ? slowMs : Number.POSITIVE_INFINITY);
    if (!lane.stallAlarm.isSet()) lane.stallAlarm.set(waitMs);
    lane.full.set(true);
  }
}

function isOver(lane: LaneState): boolean {
  const { queueMaxBytes } = lane.options;
  return heldBytes(lane) > (lane.full.get() ? queueMaxBytes * RELIEF : queueMaxBytes);
}

function mustWait(lane: LaneState): boolean {
  const blockingBytes = isSpillable(lane, 'block') ? 0 : lane.queue.blockingBytes + lane.sendingBlockingBytes;
  return blockingBytes + (lane.spool?.pendingBytes ?? 0) > 0;
}

/** Whether the backend makes no progress, or too little for a stop. */
function isStuck(lane: LaneState, nowMs: number): boolean {
  const isLeftBehind = lane.unblocked && lane.spilling;
  return isLeftBehind || lane.breaker.state !== 'closed' || stallsInMs(lane, nowMs) <= 0;
}

/** How long from now the lane counts as stuck if nothing succeeds. */
function stallsInMs(lane: LaneState, nowMs: number): number {
  if (lane.unansweredSinceMs === undefined) return lane.stallAfterMs;
  // A clock set back must not make the lane wait for it to come round again.
  lane.unansweredSinceMs = Math.min(lane.unansweredSinceMs, nowMs);
  return lane.unansweredSinceMs + lane.stallAfterMs - nowMs;
}

/** The one place where messages of the queue are given up at the bound: those that may not go to disk. */
function shed(lane: LaneState, nowMs: number): void {
  const { queueMaxBytes } = lane.options;
  lane.mayComeBack = true;
  lane.queue.shed(ownBytes(lane) - queueMaxBytes * RELIEF, nowMs, (job, messages) => {
    emit(lane, 'shed', 'queue_full', messages, job.stored);
    ended(job, messages.length);
  });
  if (ownBytes(lane) <= queueMaxBytes * RESERVE) return;
  lane.queue.shedCritical(ownBytes(lane) - queueMaxBytes * RESERVE_RELIEF, nowMs, (job, messages) =>
    bury(lane, job, 'queue_full', `the queue held more than ${RESERVE} times its bound`, [...messages]),
  );
}
