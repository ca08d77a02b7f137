import type { Reading } from './rate.ts';
import { createWindow, mergeWindow, quantileOf, type Window } from './window.ts';

/** One finished window, as numbers in a row. */
export interface Point extends Reading {
  readonly startMs: number;
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
}

const FIELDS = 10;
const FIRST_POINTS = 8;

/** The last points, oldest first, in memory that grows with them up to a bound. */
export interface Ring {
  /** `endMs` is the end of the window that its last value is of. */
  add(window: Window, endMs: number): void;
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
    const [startMs, count, sum, min, max, last, endMs, p50, p90, p99] = rows.subarray(at, at + FIELDS);
    return { startMs, count, sum, min, max, last, endMs, p50, p90, p99 } as Point;
  };
  return {
    add(window, endMs) {
      if (size === capacity() && size < maxPoints) grow();
      if (size === capacity()) first = (first + 1) % capacity();
      else size++;
      const { startMs, count, sum, min, max, last } = window;
      const quantiles = [0.5, 0.9, 0.99].map((q) => quantileOf(window, q));
      rows.set(
        [startMs, count, sum, min, max, last, endMs, ...quantiles],
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

/** How much is kept of a series: so many fine windows, and so many coarse ones of that length. */
export interface Depth {
  readonly finePoints: number;
  readonly coarseMs: number;
  readonly coarsePoints: number;
}

/** What is kept of one series: its last windows, and longer ones made of them. */
export interface History {
  readonly fine: Ring;
  readonly coarse: Ring;
  /** Length of a coarse window, milliseconds. */
  readonly coarseMs: number;
  /** Takes a finished window of that length. */
  add(window: Window, windowMs: number): void;
}

export function createHistory({ finePoints, coarseMs, coarsePoints }: Depth): History {
  const fine = createRing(finePoints);
  const coarse = createRing(coarsePoints);
  let open: Window | undefined;
  /** The end of the window that the last value of `open` is of. */
  let openEndMs = 0;
  return {
    fine,
    coarse,
    coarseMs,
    add(window, windowMs) {
      const endMs = window.startMs + windowMs;
      fine.add(window, endMs);
      const startMs = Math.floor(window.startMs / coarseMs) * coarseMs;
      if (open !== undefined && open.startMs !== startMs) {
        coarse.add(open, openEndMs);
        open = undefined;
      }
      open ??= createWindow(startMs);
      mergeWindow(open, window);
      if (open.lastMs === window.lastMs) openEndMs = endMs;
    },
  };
}
