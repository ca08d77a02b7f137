import { isoTime } from '../message.ts';
import type { Aggregation } from './aggregation.ts';
import type { Point } from './history.ts';
import { type Reading, rateOf } from './rate.ts';
import type { Series } from './series.ts';
import type { MetricAnswer, MetricPoint, MetricQuery, MetricSeries, MetricWindows } from './view.ts';

/** Points of one series in an answer. */
const MAX_POINTS = 2000;
/** Series in an answer. */
const MAX_SERIES = 100;

/** The finished windows, as they are shown. */
export function createWindows(aggregation: Aggregation): MetricWindows {
  const sorted = () => [...aggregation.series()].sort((a, b) => (a.key < b.key ? -1 : 1));
  return {
    series({ isSource, name }, limit, cursor) {
      const all = sorted();
      const isWanted = (one: Series) =>
        (isSource?.(one.source) ?? true) && (name === undefined || one.name.includes(name));
      const names = new Set(all.filter(isWanted).map((one) => one.name)).size;
      const start = cursor === undefined ? 0 : all.findIndex(({ key }) => cursorOf(key) === cursor) + 1;
      if (cursor !== undefined && start === 0) return { series: [], names };
      const rest = all.slice(start).filter(isWanted);
      const page = rest.slice(0, limit);
      const last = page.at(-1);
      return {
        series: page.map(viewOf),
        names,
        ...(rest.length > limit && last && { next: cursorOf(last.key) }),
      };
    },
    query(query) {
      const { windowMs } = aggregation.options();
      const wanted = sorted()
        .filter((one) => isAsked(one, query))
        .slice(0, MAX_SERIES);
      const each = wanted.map((series) => ({
        series,
        points: series.history.points(query.fromMs, query.toMs),
      }));
      return answerOf(query, each, stepOf(query, each, windowMs));
    },
  };
}

const cursorOf = (key: string) => Buffer.from(key).toString('base64url');

/** A series with what it has of the time that was asked for. */
interface Part {
  readonly series: Series;
  readonly points: readonly Point[];
}

function isAsked({ name, source, tags }: Series, query: MetricQuery): boolean {
  if (name !== query.name || query.isSource?.(source) === false) return false;
  return query.tags.every(([key, value]) => tags.some((tag) => tag[0] === key && tag[1] === value));
}

/**
 * As asked, but no finer than any window in it, nor than gives too many points. A multiple of the longest one, so that
 * those whose lengths divide it are wholly in one step; others count where they begin.
 */
function stepOf({ fromMs, toMs, stepMs = 0 }: MetricQuery, each: readonly Part[], windowMs: number): number {
  let longestMs = windowMs;
  for (const { points } of each) for (const { lengthMs } of points) longestMs = Math.max(longestMs, lengthMs);
  const least = Math.max(stepMs, longestMs, (toMs - fromMs) / MAX_POINTS);
  return Math.ceil(least / longestMs) * longestMs;
}

function answerOf(query: MetricQuery, each: readonly Part[], stepMs: number): MetricAnswer {
  return {
    name: query.name,
    from: isoTime(query.fromMs),
    to: isoTime(query.toMs),
    step_ms: stepMs,
    series: each.map(({ series: { source, tags, unit, kind, history }, points }) => ({
      source,
      tags: Object.fromEntries(tags),
      ...(unit !== '' && { unit }),
      ...(kind !== '' && { kind }),
      points: joinedBy(stepMs, points, kind, history.before(points[0]?.startMs ?? query.fromMs)),
    })),
  };
}

function viewOf({ name, source, tags, unit, kind, last, lastMs, count }: Series): MetricSeries {
  return {
    name,
    source,
    tags: Object.fromEntries(tags),
    ...(unit !== '' && { unit }),
    ...(kind !== '' && { kind }),
    ...(count > 0 && { last, last_time: isoTime(lastMs) }),
  };
}

/** Points joined to steps; `first` is what the series stood at before them. */
function joinedBy(
  stepMs: number,
  points: readonly Point[],
  kind: string,
  first: Reading | undefined,
): readonly MetricPoint[] {
  const steps = new Map<number, Point[]>();
  for (const point of points) {
    const startMs = Math.floor(point.startMs / stepMs) * stepMs;
    const joined = steps.get(startMs);
    if (joined === undefined) steps.set(startMs, [point]);
    else joined.push(point);
  }
  let before = first;
  return [...steps].map(([startMs, points]) => {
    const point = joined(startMs, points, kind, before, stepMs);
    before = points.at(-1);
    return point;
  });
}

function joined(
  startMs: number,
  points: readonly Point[],
  kind: string,
  before: Reading | undefined,
  stepMs: number,
): MetricPoint {
  const sum = points.reduce((total, point) => total + point.sum, 0);
  const { last, endMs } = points.at(-1) as Point;
  const [only] = points;
  return {
    time: isoTime(startMs),
    count: points.reduce((total, { count }) => total + count, 0),
    sum,
    min: Math.min(...points.map(({ min }) => min)),
    max: Math.max(...points.map(({ max }) => max)),
    last,
    rate: rateOf(kind, { sum, last, endMs }, before, stepMs),
    // Quantiles of several windows cannot be told from theirs.
    ...(points.length === 1 && only && { p50: only.p50, p90: only.p90, p99: only.p99 }),
  };
}
