import type { Reading } from './rate.ts';
import { createWindow, mergeWindow, quantileOf, type Window } from './window.ts';

/** One finished window, as numbers in a row. */
export interface Point extends Reading {
  readonly startMs: number;
  /** The window's own length, milliseconds: it may have been changed since. */
  readonly lengthMs: number;
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

const FIELDS = 11;
const FIRST_POINTS = 8;

/** The last points, oldest first, in memory that grows with them up to a bound. */
export interface Ring {
  add(point: Point): void;
  /** Those whose start is within `[fromMs, toMs)`, in order. */
  points(fromMs: number, toMs: number): readonly Point[];
  latest(): Point | undefined;
  /** Of those that had to make room, the one that began last. */
  dropped(): Point | undefined;
}

/** A window of that length, whose last value is of a window that ends at `endMs`. */
function pointOf(window: Window, lengthMs: number, endMs: number): Point {
  const { startMs, count, sum, min, max, last } = window;
  const [p50, p90, p99] = [quantileOf(window, 0.5), quantileOf(window, 0.9), quantileOf(window, 0.99)];
  return { startMs, lengthMs, count, sum, min, max, last, endMs, p50, p90, p99 };
}

export function createRing(maxPoints: number): Ring {
  let rows = new Float64Array(Math.min(FIRST_POINTS, maxPoints) * FIELDS);
  let size = 0;
  /** The row of the oldest. */
  let first = 0;
  let dropped: Point | undefined;
  const capacity = () => rows.length / FIELDS;
  const grow = () => {
    const wider = new Float64Array(Math.min(capacity() * 2, maxPoints) * FIELDS);
    wider.set(rows);
    rows = wider;
  };
  const pointAt = (index: number): Point => {
    const at = ((first + index) % capacity()) * FIELDS;
    const [startMs, lengthMs, count, sum, min, max, last, endMs, p50, p90, p99] = rows.subarray(
      at,
      at + FIELDS,
    );
    return { startMs, lengthMs, count, sum, min, max, last, endMs, p50, p90, p99 } as Point;
  };
  const dropOldest = () => {
    const oldest = pointAt(0);
    if (dropped === undefined || oldest.startMs >= dropped.startMs) dropped = oldest;
    first = (first + 1) % capacity();
  };
  return {
    add({ startMs, lengthMs, count, sum, min, max, last, endMs, p50, p90, p99 }) {
      if (size === capacity() && size < maxPoints) grow();
      if (size === capacity()) dropOldest();
      else size++;
      rows.set(
        [startMs, lengthMs, count, sum, min, max, last, endMs, p50, p90, p99],
        ((first + size - 1) % capacity()) * FIELDS,
      );
    },
    points: (fromMs, toMs) =>
      Array.from({ length: size }, (_, index) => pointAt(index)).filter(
        ({ startMs }) => startMs >= fromMs && startMs < toMs,
      ),
    latest: () => (size === 0 ? undefined : pointAt(size - 1)),
    dropped: () => dropped,
  };
}

/** Fine windows kept a series; with the coarse ones they cover a day. */
const FINE_POINTS = 360;
/** Least length of a coarse window. */
const COARSE_MS = 300_000;
const COARSE_POINTS = 288;

/** Length of the coarse windows that are made of windows of that length: a multiple of it. */
const coarseMsOf = (windowMs: number) => Math.ceil(COARSE_MS / windowMs) * windowMs;

/** Where the coarse window begins that a window is part of. */
const coarseStartOf = (startMs: number, windowMs: number) => {
  const coarseMs = coarseMsOf(windowMs);
  return Math.floor(startMs / coarseMs) * coarseMs;
};

const inOrder = (one: Point, other: Point) => one.startMs - other.startMs || one.endMs - other.endMs;

const later = (one: Reading | undefined, other: Reading) =>
  one === undefined || other.endMs >= one.endMs ? other : one;

/** What is kept of one series: its last windows, and longer ones made of them. */
export interface History {
  readonly fine: Ring;
  /** Takes a finished window of that length. */
  add(window: Window, windowMs: number): void;
  /**
   * Windows of `[fromMs, toMs)`, in order, none of whose values is in two of them. Those are fine that begin in that
   * time, if none of them is forgotten. Else there is a coarse one in place of those of which any is forgotten: it is
   * whole, also where it begins before `fromMs` or ends after `toMs`, and what is left of its fine ones is left out. A
   * step shorter than that would count too much: it has to be as long as the longest of these.
   */
  points(fromMs: number, toMs: number): readonly Point[];
  /** The latest that is remembered of the time before then. */
  before(timeMs: number): Reading | undefined;
}

export function createHistory(): History {
  const fine = createRing(FINE_POINTS);
  const coarse = createRing(COARSE_POINTS);
  let open: Window | undefined;
  let openMs = 0;
  /** The end of the window that the last value of `open` is of. */
  let openEndMs = 0;
  return {
    fine,
    add(window, windowMs) {
      const endMs = window.startMs + windowMs;
      fine.add(pointOf(window, windowMs, endMs));
      const startMs = coarseStartOf(window.startMs, windowMs);
      const coarseMs = coarseMsOf(windowMs);
      if (open !== undefined && (open.startMs !== startMs || openMs !== coarseMs)) {
        coarse.add(pointOf(open, openMs, openEndMs));
        open = undefined;
      }
      open ??= createWindow(startMs);
      openMs = coarseMs;
      mergeWindow(open, window);
      if (open.lastMs === window.lastMs) openEndMs = endMs;
    },
    points(fromMs, toMs) {
      const kept = fine.points(fromMs, toMs);
      const droppedMs = fine.dropped()?.startMs ?? Number.NEGATIVE_INFINITY;
      if (fromMs > droppedMs) return [...kept].sort(inOrder);
      const long = coarse
        .points(0, Math.min(toMs, droppedMs + 1))
        .filter(({ startMs, lengthMs }) => startMs + lengthMs > fromMs);
      const isInLong = ({ startMs, lengthMs }: Point) => {
        const coarseStartMs = coarseStartOf(startMs, lengthMs);
        return (
          coarseStartMs <= droppedMs &&
          long.some((one) => one.startMs === coarseStartMs && one.lengthMs === coarseMsOf(lengthMs))
        );
      };
      return [...long, ...kept.filter((point) => !isInLong(point))].sort(inOrder);
    },
    before(timeMs) {
      const dropped = fine.dropped();
      const all = [
        ...coarse.points(0, timeMs),
        ...(dropped === undefined ? [] : [dropped]),
        ...fine.points(0, timeMs),
      ];
      return all.filter(({ endMs }) => endMs <= timeMs).reduce(later, undefined);
    },
  };
}
