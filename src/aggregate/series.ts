import { createHistory, type History } from './history.ts';
import type { Measure } from './measures.ts';
import { createWindow, type Window } from './window.ts';

/** One metric of one source with one set of tags. */
export interface Series {
  /** Orders all series: name, source, tags. */
  readonly key: string;
  /** Tells it from the others in less; changes when others are forgotten. */
  number: number;
  readonly name: string;
  readonly source: string;
  readonly tags: Measure['tags'];
  readonly unit: string;
  readonly kind: string;
  readonly history: History;
  /** Open windows in order of their start; the newest is used most. */
  readonly open: Window[];
  /** Values in finished windows. */
  closedCount: number;
  closedSum: number;
  /** All values since it began, in finished windows and open ones, once it was summed up. */
  count: number;
  sum: number;
  /** The value that is the latest by its time, likewise. */
  last: number;
  lastMs: number;
}

/** What the series that takes all beyond the cap is called. */
export const OVERFLOW = '_other';

/** Names a series; in order of name, source and tags. */
export const keyOf = (source: string, { name, tags }: Pick<Measure, 'name' | 'tags'>) =>
  JSON.stringify([name, source, tags]);

export function createSeries(source: string, measure: Omit<Measure, 'key' | 'value'>): Series {
  const { name, tags, unit, kind } = measure;
  return {
    key: keyOf(source, measure),
    number: 0,
    name,
    source,
    tags,
    unit,
    kind,
    history: createHistory(),
    open: [],
    closedCount: 0,
    closedSum: 0,
    count: 0,
    sum: 0,
    last: 0,
    lastMs: Number.NEGATIVE_INFINITY,
  };
}

/** The open window of that start, made in its place if need be; `onOpen` is told of one that is new. */
export function windowOf(series: Series, startMs: number, onOpen: () => void): Window {
  const { open } = series;
  let at = open.length;
  while (at > 0) {
    const window = open[at - 1] as Window;
    if (window.startMs === startMs) return window;
    if (window.startMs < startMs) break;
    at--;
  }
  const added = createWindow(startMs);
  open.splice(at, 0, added);
  onOpen();
  return added;
}

/** Brings the sums of a series up to date with its open windows. */
export function sumUpSeries(series: Series): void {
  series.count = series.closedCount;
  series.sum = series.closedSum;
  for (const window of series.open) {
    series.count += window.count;
    series.sum += window.sum;
    if (window.lastMs < series.lastMs) continue;
    series.last = window.last;
    series.lastMs = window.lastMs;
  }
}

/** Closes the oldest open window, one of that length, of a series that is summed up. */
export function closeOldest(series: Series, windowMs: number): Window {
  const window = series.open.shift() as Window;
  series.closedCount += window.count;
  series.closedSum += window.sum;
  series.history.add(window, windowMs);
  return window;
}
