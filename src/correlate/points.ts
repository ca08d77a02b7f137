/** How far a job was at a time. */
export interface Point {
  readonly timeMs: number;
  /** 0–100. */
  readonly percent: number;
}

const MAX_POINTS = 200;

/** With one more, in order of time; past the bound every other one but the first and the last are let go. */
export function addPoint(points: readonly Point[], added: Point): readonly Point[] {
  let at = points.length;
  while (at > 0 && (points[at - 1] as Point).timeMs > added.timeMs) at--;
  const all = points.slice(0, at).concat(added, points.slice(at));
  return all.length <= MAX_POINTS
    ? all
    : all.filter((_, index) => index % 2 === 0 || index === all.length - 1);
}
