import type { Job } from './job.ts';
import type { LaneState } from './lane-state.ts';

/**
 * Puts aside a target that takes nothing, try after try: what of it came from the spool and was not sent goes back there,
 * so that its neighbours are read on. It comes back, in order, once what failed has found its end.
 */
export function putAside(lane: LaneState, target: string, nowMs: number): void {
  if (!lane.spilling) return;
  const rest = lane.queue.takeOut((job) => job.target.key === target && isAsOnDisk(job), nowMs);
  for (const { spooled } of rest.reverse()) {
    if (spooled?.frame === undefined) continue;
    lane.aside.set(spooled.frame.target, target);
    spooled.frame.putBack();
  }
}

const isAsOnDisk = ({ sends, spooled, batch }: Job) =>
  sends === 0 && spooled?.frame?.messages === batch.messages.length;

/** Lets those come back that are not stuck any more. */
export function reviewAside(lane: LaneState): void {
  if (!lane.mayComeBack) return;
  lane.mayComeBack = false;
  for (const [known, target] of lane.aside) if (!isStuck(lane, target)) lane.aside.delete(known);
}

const isStuck = ({ queue, sending, options }: LaneState, target: string): boolean =>
  [...queue.headsOf(target), ...sending.map(({ job }) => job)].some(
    ({ target: { key }, vain }) => key === target && (vain?.sends ?? 0) >= options.breaker.failures,
  );
