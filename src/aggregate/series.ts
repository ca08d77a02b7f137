import { createHistory, type Depth, type History } from './history.ts';
import type { Measure } from './measures.ts';
import { createWindow, type Window } from './window.ts';

/** One metric of one source with one set of tags. */
export interface Series {
  /** Orders all series: name, source, tags. */
  readonly key: string;
  readonly name: string;
  readonly source: string;
  readonly tags: Measure['tags'];
  readonly unit: string;
  readonly kind: string;
  readonly history: History;
  /** Open windows in order of their start; the newest is used most. */
  readonly open: Window[];
  /** All values since it began, in finished windows and open ones. */
  count: number;
  sum: number;
  /** The value that is the latest by its time. */
  last: number;
  lastMs: number;
  /** When its last value was received. */
  usedMs: number;
}

/** What the series that takes all beyond the cap is called. */
export const OVERFLOW = '_other';

export const keyOf = (source: string, { name, tags }: Pick<Measure, 'name' | 'tags'>) =>
  JSON.stringify([name, source, tags]);

export function createSeries(source: string, measure: Omit<Measure, 'key' | 'value'>, depth: Depth): Series {
  const { name, tags, unit, kind } = measure;
  return {
    key: keyOf(source, measure),
    name,
    source,
    tags,
    unit,
    kind,
    history: createHistory(depth),
    open: [],
    count: 0,
    sum: 0,
    last: 0,
    lastMs: Number.NEGATIVE_INFINITY,
    usedMs: 0,
  };
}

/** The open window of that start, made in its place if need be; `onOpen` is told of one that is new. */
export function windowOf({ open }: Series, startMs: number, onOpen: () => void): Window {
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
