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
  /** Takes a window of that length; `endMs` is the end of the window that its last value is of. */
  add(window: Window, lengthMs: number, endMs: number): void;
  /** Those whose start is within `[fromMs, toMs)`, in order. */
  points(fromMs: number, toMs: number): readonly Point[];
  latest(): Point | undefined;
}

export function createRing(maxPoints: number): Ring {
  let rows = new Float64Array(Math.min(FIRST_POINTS, maxPoints) * FIELDS);
  let size = 0;
  /** The row of the oldest. */
  let first = 0;
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
  return {
    add(window, lengthMs, endMs) {
      if (size === capacity() && size < maxPoints) grow();
      if (size === capacity()) first = (first + 1) % capacity();
      else size++;
      const { startMs, count, sum, min, max, last } = window;
      const quantiles = [0.5, 0.9, 0.99].map((q) => quantileOf(window, q));
      rows.set(
        [startMs, lengthMs, count, sum, min, max, last, endMs, ...quantiles],
        ((first + size - 1) % capacity()) * FIELDS,
      );
    },
    points: (fromMs, toMs) =>
      Array.from({ length: size }, (_, index) => pointAt(index)).filter(
        ({ startMs }) => startMs >= fromMs && startMs < toMs,
      ),
    latest: () => (size === 0 ? undefined : pointAt(size - 1)),
  };
}

/** Fine windows kept a series; with the coarse ones they cover a day. */
const FINE_POINTS = 360;
/** Least length of a coarse window. */
const COARSE_MS = 300_000;
const COARSE_POINTS = 288;

/** Length of the coarse windows that are made of windows of that length: a multiple of it. */
const coarseMsOf = (windowMs: number) => Math.ceil(COARSE_MS / windowMs) * windowMs;

/** What is kept of one series: its last windows, and longer ones made of them. */
export interface History {
  readonly fine: Ring;
  readonly coarse: Ring;
  /** Takes a finished window of that length. */
  add(window: Window, windowMs: number): void;
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
    coarse,
    add(window, windowMs) {
      const endMs = window.startMs + windowMs;
      fine.add(window, windowMs, endMs);
      const coarseMs = coarseMsOf(windowMs);
      const startMs = Math.floor(window.startMs / coarseMs) * coarseMs;
      if (open !== undefined && (open.startMs !== startMs || openMs !== coarseMs)) {
        coarse.add(open, openMs, openEndMs);
        open = undefined;
      }
      open ??= createWindow(startMs);
      openMs = coarseMs;
      mergeWindow(open, window);
      if (open.lastMs === window.lastMs) openEndMs = endMs;
    },
  };
}
