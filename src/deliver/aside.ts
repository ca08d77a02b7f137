import type { Job } from './job.ts';
import type { LaneState } from './lane-state.ts';

/**
 * Puts the target of a job that failed aside if it takes nothing, try after try: what of it came from the spool and was
 * not sent goes back there, so that its neighbours are read on. It comes back, in order, once what failed has found its
 * end. Returns what of the job stays in memory, to be tried.
 */
export function putAside(lane: LaneState, failed: Job, nowMs: number): Job {
  if (!isThroughSpool(lane) || !takesNothing(lane, failed)) return failed;
  const { key } = failed.target;
  leaveAll(
    lane,
    lane.queue.takeOut((job) => job.target.key === key && isAsOnDisk(job), nowMs),
  );
  return shortened(lane, failed);
}

/**
 * Of a job that was merged from several that are on disk the first is enough to try; so many targets may fail. Not where
 * a number of attempts is the end: each of them would have as many.
 */
function shortened(lane: LaneState, job: Job): Job {
  const { parts = [] } = job.spooled ?? {};
  const [first, ...rest] = parts;
  const size = parts.reduce((sum, { batch }) => sum + batch.messages.length, 0);
  if (first === undefined || job.batch.messages.length < size || !parts.every(isAsOnDisk)) return job;
  if (lane.options.retry.maxAttempts !== Number.POSITIVE_INFINITY) return job;
  leaveAll(lane, rest);
  const { sends, failures, vain } = job;
  return { ...first, sends, failures, vain };
}

function leaveAll(lane: LaneState, jobs: readonly Job[]): void {
  for (const { spooled, target } of jobs) {
    if (spooled?.frame === undefined) continue;
    lane.aside.set(spooled.frame.target, target.key);
    spooled.frame.putBack();
  }
}

/** Whether all that comes for a target stays behind what is on disk of it. */
const isThroughSpool = ({ spilling, options }: LaneState) => spilling || options.durability === 'disk';

const isAsOnDisk = ({ sends, spooled, batch }: Job) =>
  sends === 0 && spooled?.frame?.messages === batch.messages.length;

/** Whether so much of a target failed that it is put aside: once is enough where the backend takes nothing else either. */
const takesNothing = ({ breaker, options }: LaneState, { vain }: Job): boolean =>
  vain !== undefined && (breaker.state !== 'closed' || vain.sends >= options.breaker.failures);

/** Lets those come back of which something was taken, or nothing is left that is tried. */
export function reviewAside(lane: LaneState): void {
  if (!lane.mayComeBack) return;
  lane.mayComeBack = false;
  for (const [known, target] of lane.aside) {
    if (triesOf(lane, target).every(({ vain }) => vain === undefined)) lane.aside.delete(known);
  }
}

const triesOf = ({ queue, sending }: LaneState, target: string): readonly Job[] =>
  [...queue.headsOf(target), ...sending.map(({ job }) => job)].filter(
    ({ target: { key } }) => key === target,
  );
