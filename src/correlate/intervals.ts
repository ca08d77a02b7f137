/** A half-open stretch of time, epoch milliseconds. */
export interface Interval {
  readonly from: number;
  readonly to: number;
}

/** How many separate stretches `addInterval` keeps; past it the two with the smallest gap are taken as one. */
export const MAX_INTERVALS = 64;

/** The union of `intervals` (sorted, disjoint) and one more; new array, at most 64 long. */
export function addInterval(intervals: readonly Interval[], added: Interval): readonly Interval[] {
  const before = intervals.filter(({ to }) => to < added.from);
  const after = intervals.filter(({ from }) => from > added.to);
  const touched = intervals.slice(before.length, intervals.length - after.length);
  const merged = {
    from: Math.min(added.from, ...touched.map(({ from }) => from)),
    to: Math.max(added.to, ...touched.map(({ to }) => to)),
  };
  return bounded(before.concat(merged, after));
}

function bounded(intervals: readonly Interval[]): readonly Interval[] {
  if (intervals.length <= MAX_INTERVALS) return intervals;
  let closest = 1;
  const gap = (at: number) => (intervals[at]?.from ?? 0) - (intervals[at - 1]?.to ?? 0);
  for (let at = 2; at < intervals.length; at++) if (gap(at) < gap(closest)) closest = at;
  const [left, right] = [intervals[closest - 1], intervals[closest]];
  if (left === undefined || right === undefined) return intervals;
  return [
    ...intervals.slice(0, closest - 1),
    { from: left.from, to: right.to },
    ...intervals.slice(closest + 1),
  ];
}

/** Total length in milliseconds of disjoint intervals. */
export const lengthMs = (intervals: readonly Interval[]) =>
  intervals.reduce((sum, { from, to }) => sum + to - from, 0);

/** The union of intervals in any order: sorted, disjoint. */
export function unionOf(intervals: readonly Interval[]): readonly Interval[] {
  const union: Interval[] = [];
  for (const next of [...intervals].sort((a, b) => a.from - b.from)) {
    const last = union.at(-1);
    if (last === undefined || next.from > last.to) union.push(next);
    else if (next.to > last.to) union[union.length - 1] = { from: last.from, to: next.to };
  }
  return union;
}

/** What of `intervals` is in none of `taken`; both sorted and disjoint. */
export function subtract(intervals: readonly Interval[], taken: readonly Interval[]): readonly Interval[] {
  const left: Interval[] = [];
  let first = 0;
  for (const { from, to } of intervals) {
    while ((taken[first]?.to ?? Number.POSITIVE_INFINITY) <= from) first++;
    let at = from;
    for (let n = first; n < taken.length && (taken[n] as Interval).from < to; n++) {
      const next = taken[n] as Interval;
      if (next.from > at) left.push({ from: at, to: next.from });
      at = Math.max(at, next.to);
    }
    if (at < to) left.push({ from: at, to });
  }
  return left;
}
