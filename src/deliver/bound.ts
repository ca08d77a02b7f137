import { bury, emit, heldBytes, type LaneState } from './lane-state.ts';

/** A lane that was at its bound is not any more below this part of it. */
const RELIEF = 0.9;
/** Past this part of its bound nothing waits for company: room is made before the input would have to wait. */
const PATIENCE = 0.75;
/** Critical messages may go beyond the bound this far, and then fall back so far. */
const RESERVE = 1.25;
const RESERVE_RELIEF = 1.2;

/**
 * Holds the lane to its bound; call it after every change of what it holds and of the breaker.
 *
 * States: free → full (at the bound of a backend that makes progress: the input waits) → free below 90 %; or →
 * stuck (at the bound of one that does not: sheds down to 90 %, and the input waits only for rules that say `block`).
 */
export function reviewBound(lane: LaneState, nowMs: number): void {
  if (lane.deadlineMs !== undefined) return;
  const over = isOver(lane);
  lane.queue.setPatient(heldBytes(lane) <= lane.options.queueMaxBytes * PATIENCE, nowMs);
  if (!over) {
    lane.stallAlarm.clear();
    lane.full.set(false);
  } else if (isStuck(lane, nowMs)) {
    shed(lane, nowMs);
    lane.full.set(isOver(lane) && lane.queue.blockingBytes + lane.sendingBlockingBytes > 0);
  } else {
    if (!lane.stallAlarm.isSet) lane.stallAlarm.set(stallsInMs(lane, nowMs));
    lane.full.set(true);
  }
}

function isOver(lane: LaneState): boolean {
  const { queueMaxBytes } = lane.options;
  return heldBytes(lane) > (lane.full.get() ? queueMaxBytes * RELIEF : queueMaxBytes);
}

/** Whether the backend makes no progress. */
function isStuck(lane: LaneState, nowMs: number): boolean {
  return lane.breaker.state !== 'closed' || stallsInMs(lane, nowMs) <= 0;
}

/** How long from now the lane counts as stuck if nothing succeeds. */
function stallsInMs(lane: LaneState, nowMs: number): number {
  if (lane.unansweredSinceMs === undefined) return lane.stallAfterMs;
  // A clock set back must not make the lane wait for it to come round again.
  lane.unansweredSinceMs = Math.min(lane.unansweredSinceMs, nowMs);
  return lane.unansweredSinceMs + lane.stallAfterMs - nowMs;
}

/** The one place where messages are given up at the bound: here they would go to disk instead. */
function shed(lane: LaneState, nowMs: number): void {
  const { queueMaxBytes } = lane.options;
  lane.queue.shed(heldBytes(lane) - queueMaxBytes * RELIEF, nowMs, (_job, messages) =>
    emit(lane, 'shed', 'queue_full', messages),
  );
  if (heldBytes(lane) <= queueMaxBytes * RESERVE) return;
  lane.queue.shedCritical(heldBytes(lane) - queueMaxBytes * RESERVE_RELIEF, nowMs, (job, messages) =>
    bury(lane, job, 'queue_full', `the queue held more than ${RESERVE} times its bound`, messages),
  );
}
