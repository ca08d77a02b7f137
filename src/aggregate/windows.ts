import { isoTime } from '../message.ts';
import type { Aggregation } from './aggregation.ts';
import type { History, Point } from './history.ts';
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
      const start = cursor === undefined ? 0 : all.findIndex(({ key }) => cursorOf(key) === cursor) + 1;
      if (cursor !== undefined && start === 0) return { series: [] };
      const wanted = all
        .slice(start)
        .filter((one) => (isSource?.(one.source) ?? true) && (name === undefined || one.name.includes(name)));
      const page = wanted.slice(0, limit);
      const last = page.at(-1);
      return {
        series: page.map(viewOf),
        ...(wanted.length > limit && last && { next: cursorOf(last.key) }),
      };
    },
    query(query) {
      const { windowMs } = aggregation.options();
      const wanted = sorted()
        .filter((one) => isWanted(one, query))
        .slice(0, MAX_SERIES);
      const stepMs = stepOf(query, wanted, windowMs);
      return answerOf(query, wanted, stepMs);
    },
  };
}

const cursorOf = (key: string) => Buffer.from(key).toString('base64url');

function isWanted({ name, source, tags }: Series, query: MetricQuery): boolean {
  if (name !== query.name || query.isSource?.(source) === false) return false;
  return query.tags.every(([key, value]) => tags.some((tag) => tag[0] === key && tag[1] === value));
}

/** As asked, but no finer than it is kept, nor than gives too many points. */
function stepOf(
  { fromMs, toMs, stepMs = 0 }: MetricQuery,
  wanted: readonly Series[],
  windowMs: number,
): number {
  const least = Math.max(stepMs, windowMs, (toMs - fromMs) / MAX_POINTS);
  const fineFromMs = Math.min(
    ...wanted.map(({ history }) => history.fine.points(0, toMs)[0]?.startMs ?? toMs),
  );
  const coarse = wanted
    .map(({ history }) => history.coarse.points(fromMs, fineFromMs))
    .find((all) => all.length > 0);
  const coarseMs = coarse === undefined ? 0 : (wanted[0]?.history.coarseMs ?? 0);
  return Math.ceil(Math.max(least, coarseMs) / windowMs) * windowMs;
}

function answerOf(query: MetricQuery, wanted: readonly Series[], stepMs: number): MetricAnswer {
  return {
    name: query.name,
    from: isoTime(query.fromMs),
    to: isoTime(query.toMs),
    step_ms: stepMs,
    series: wanted.map((one) => ({
      source: one.source,
      tags: Object.fromEntries(one.tags),
      ...(one.unit !== '' && { unit: one.unit }),
      ...(one.kind !== '' && { kind: one.kind }),
      points: pointsOf(one, query, stepMs),
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

/** Fine windows as far back as they go, coarse ones before, joined to steps. */
function pointsOf({ history, kind }: Series, query: MetricQuery, stepMs: number): MetricPoint[] {
  const fine = history.fine.points(query.fromMs, query.toMs);
  const fineFromMs = history.fine.points(0, Number.POSITIVE_INFINITY)[0]?.startMs ?? query.toMs;
  const coarse = history.coarse
    .points(query.fromMs, query.toMs)
    .filter(({ startMs }) => startMs + history.coarseMs <= fineFromMs);
  const steps = new Map<number, Point[]>();
  for (const point of [...coarse, ...fine]) {
    const startMs = Math.floor(point.startMs / stepMs) * stepMs;
    const joined = steps.get(startMs);
    if (joined === undefined) steps.set(startMs, [point]);
    else joined.push(point);
  }
  let before = readingBefore(history, [...coarse, ...fine][0]);
  return [...steps].map(([startMs, points]) => {
    const point = joined(startMs, points, kind, before, stepMs);
    before = points.at(-1);
    return point;
  });
}

/** The latest that is remembered of the time before a point, whether it was asked for or not. */
function readingBefore({ fine, coarse }: History, first: Point | undefined): Reading | undefined {
  const startMs = first?.startMs ?? Number.NEGATIVE_INFINITY;
  const all = [...coarse.points(0, startMs), ...fine.points(0, startMs)];
  return all.filter(({ endMs }) => endMs <= startMs).reduce(later, undefined);
}

const later = (one: Reading | undefined, other: Reading) =>
  one === undefined || other.endMs >= one.endMs ? other : one;

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
