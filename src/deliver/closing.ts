import { defer, ignoreElements, timeout } from 'rxjs';
import type { Job } from './job.ts';
import { emit, type LaneState } from './lane-state.ts';
import { errorText } from './retry.ts';
import type { LaneSpool } from './spools.ts';

/** A sink gets at least this long to close, be the deadline over or not. */
const CLOSE_GRACE_MS = 1000;

/** If the lane is closing: gives up what has no hope of being sent in time, and ends once nothing is left. */
export function finishIfDone(lane: LaneState): void {
  if (lane.deadlineMs === undefined || lane.closed) return;
  if (isHopeless(lane, lane.deadlineMs)) giveUp(lane, lane.queue.clear());
  if (lane.queue.messages === 0 && lane.sending.length === 0 && !expectsMore(lane)) end(lane);
}

/** The deadline is over: aborts what is being sent, gives up everything, ends. */
export function finishNow(lane: LaneState): void {
  if (lane.closed) return;
  const aborted = lane.sending.splice(0);
  lane.sendingBytes = 0;
  lane.sendingBlockingBytes = 0;
  lane.sendingMessages = 0;
  for (const { subscription } of aborted) subscription?.unsubscribe();
  giveUp(
    lane,
    aborted.map(({ job }) => job),
  );
  giveUp(lane, lane.queue.clear());
  end(lane);
}

/** Whether the spool will hand out what it has only just taken. What has to be read is left for another time. */
function expectsMore({ spool, breaker }: LaneState): boolean {
  return spool?.isShort === true && !spool.isEmpty && breaker.state !== 'open';
}

/** Whether nothing more can be sent before the deadline: a backend known to be dead is not waited for. */
function isHopeless({ breaker, pauseAlarm, pauseEndsMs }: LaneState, deadlineMs: number): boolean {
  return breaker.state === 'open' || (pauseAlarm.isSet() && pauseEndsMs >= deadlineMs);
}

/** The one place where messages are given up at shutdown, unless there is a spool for them. */
function giveUp(lane: LaneState, jobs: readonly Job[]): void {
  if (lane.spool !== undefined) {
    lane.left.push(...jobs);
    return;
  }
  for (const { batch, stored } of jobs) {
    lane.abandoned += batch.messages.length;
    emit(lane, 'shed', 'shutdown', batch.messages, stored);
  }
}

/** What was not sent is for whoever has the spool next. */
function leave({ backend, context, left, lastError }: LaneState, spool: LaneSpool): void {
  left.sort((a, b) => a.order - b.order);
  const messages = left.reduce((sum, { batch }) => sum + batch.messages.length, 0);
  if (messages > 0) {
    context.log.info(
      { backend, messages, error: lastError },
      'Closed; what is not delivered is left to its spool',
    );
  }
  spool.release(left.splice(0));
}

function end(lane: LaneState): void {
  const { backend, sink, context, abandoned, lastError } = lane;
  lane.closed = true;
  for (const alarm of [lane.dueAlarm, lane.pauseAlarm, lane.stallAlarm, lane.deadlineAlarm]) alarm.clear();
  lane.breaker.stop();
  if (lane.spool !== undefined) leave(lane, lane.spool);
  if (abandoned > 0) {
    context.log.warn({ backend, messages: abandoned, error: lastError }, 'Closed with messages undelivered');
  }
  const complete = () => {
    lane.outcome.complete();
    lane.full.complete();
    lane.end.complete();
  };
  const leftMs = (lane.deadlineMs ?? 0) - context.scheduler.now();
  defer(() => sink.close())
    .pipe(
      ignoreElements(),
      timeout({ first: Math.max(leftMs, CLOSE_GRACE_MS), scheduler: context.scheduler }),
    )
    .subscribe({
      error: (error: unknown) => {
        context.log.warn({ backend, error: errorText(error) }, 'The backend did not close cleanly');
        complete();
      },
      complete,
    });
}
