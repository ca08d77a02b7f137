import { addPoint, type Point } from './points.ts';
import type { Part } from './story.ts';

/** Fewer reports say nothing of the pace. */
const MIN_POINTS = 3;
/** The pace is that of the last ones. */
const PACE_POINTS = 10;

/** All services' reports of progress, in order of time. */
export const pointsOf = (parts: readonly Part[]): readonly Point[] =>
  parts.map(({ points }) => points).reduce((all, more) => more.reduce(addPoint, all), []);

/**
 * Milliseconds until a job reaches 100 % at the pace of its last reports, 0 if it should have; `undefined` where fewer
 * than three since the last restart, or no growth, tell of a pace.
 */
export function etaOf(points: readonly Point[], nowMs: number): number | undefined {
  const run = sinceRestart(points).slice(-PACE_POINTS);
  const [first, last] = [run[0], run.at(-1)];
  if (run.length < MIN_POINTS || first === undefined || last === undefined) return undefined;
  const pace = (last.percent - first.percent) / (last.timeMs - first.timeMs);
  if (!(pace > 0 && Number.isFinite(pace))) return undefined;
  return Math.max(0, Math.round((100 - last.percent) / pace - (nowMs - last.timeMs)));
}

/** A report that is below the one before it starts anew. */
function sinceRestart(points: readonly Point[]): readonly Point[] {
  for (let at = points.length - 1; at > 0; at--) {
    if ((points[at] as Point).percent < (points[at - 1] as Point).percent) return points.slice(at);
  }
  return points;
}
