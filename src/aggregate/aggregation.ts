import { members } from '../members.ts';
import { type Message, sentTextOf } from '../message.ts';
import { scanned } from '../scanned.ts';
import { measuresOf } from './measures.ts';
import type { Reading } from './rate.ts';
import { closeOldest, createSeries, keyOf, OVERFLOW, type Series, sumUpSeries, windowOf } from './series.ts';
import { createShapes, NONE } from './shapes.ts';
import { createTally } from './tally.ts';
import { addRow, type Window } from './window.ts';

/** What is kept of the metrics; durations in milliseconds. */
export interface AggregationOptions {
  /** Off: nothing is looked at. */
  readonly enabled: boolean;
  /** Length of a window; windows start at its multiples since the epoch. */
  readonly windowMs: number;
  /** A window stays open for so long after its end. */
  readonly graceMs: number;
  /** Series told apart; values of more are summed up as one. */
  readonly maxSeries: number;
  /** Finished windows become messages. */
  readonly emit: boolean;
}

/** A window that takes no more values. */
export interface Closed {
  readonly series: Series;
  readonly window: Window;
  /** The window before it; `undefined` if there was none. */
  readonly before: Reading | undefined;
}

export interface AggregationStats {
  readonly series: number;
  /** Values that came after their window had closed, and were not counted in. */
  readonly late: number;
  /** Values of series beyond the cap. */
  readonly overflow: number;
}

/** All series. Lives outside the plan: a reload keeps the open windows. */
export interface Aggregation {
  /** Takes the values of a metric, resource or progress record; looks at no other. */
  add(message: Message): void;
  /** Closes what has ended by then, its grace included; in order of their start within a series. */
  closeDue(nowMs: number): readonly Closed[];
  hasOpen(): boolean;
  /** When to do so next; `undefined` while none is open. */
  dueMs(): number | undefined;
  options(): AggregationOptions;
  /** Windows of another length than before, or all once it is switched off, are closed now, and returned. */
  setOptions(options: AggregationOptions): readonly Closed[];
  /** Each is summed up before it is given. */
  series(): Iterable<Series>;
  stats(): AggregationStats;
}

/** The number of the series of all beyond the cap. */
const OVERFLOW_NUMBER = 0;
const MAX_SHAPES = 16_384;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The keys of the numbers of a record's `data` in the order of its text; `undefined` if a key is there twice. */
function numberKeys(message: Message): readonly string[] | undefined {
  const data = members(sentTextOf(message)).find(({ key }) => key === 'data');
  const all = members(data?.value ?? '{}');
  if (new Set(all.map(({ key }) => key)).size < all.length) return undefined;
  return all.filter(({ value }) => /^[-\d]/.test(value)).map(({ key }) => key);
}

export function createAggregation(initial: AggregationOptions): Aggregation {
  let options = initial;
  const all = new Map<string, Series>();
  const overflowSeries = createSeries(OVERFLOW, { name: OVERFLOW, tags: [], unit: '', kind: '' });
  /** Series by their numbers. */
  let list: Series[] = [overflowSeries];
  /** Only to be faster. */
  const shapes = createShapes(MAX_SHAPES);
  let openWindows = 0;
  let late = 0;
  let overflow = 0;
  /** Start of the window that was found last. */
  let startMs = Number.NaN;

  const opened = () => {
    openWindows++;
  };
  const seriesOf = (source: string, measure: Parameters<typeof createSeries>[1]): Series => {
    const key = keyOf(source, measure);
    const known = all.get(key);
    if (known !== undefined) return known;
    if (all.size >= options.maxSeries) return overflowSeries;
    const series = createSeries(source, measure);
    all.set(key, series);
    series.number = list.push(series) - 1;
    return series;
  };
  const findWindow = (timeMs: number) => {
    const { windowMs } = options;
    if (timeMs >= startMs && timeMs < startMs + windowMs) return;
    startMs = Math.floor(timeMs / windowMs) * windowMs;
  };
  /** When the values of a message count; NaN if that window is closed. */
  const timeOf = ({ timeMs, receivedMs }: Message): number => {
    // A clock that is ahead: its values count now.
    const atMs = timeMs > receivedMs + options.graceMs ? receivedMs : timeMs;
    findWindow(atMs);
    return startMs + options.windowMs + options.graceMs > receivedMs ? atMs : Number.NaN;
  };
  const tally = createTally((number, startMs, row) =>
    addRow(windowOf(list[number] as Series, startMs, opened), row),
  );
  const put = (number: number, value: number, atMs: number) => {
    tally.add(number, value, atMs, startMs);
    if (number === OVERFLOW_NUMBER) overflow++;
  };
  /** Parses the record; remembers the shape of one that the scan read. */
  const addParsed = (message: Message, isRead: boolean) => {
    const measures = measuresOf(message);
    const each = measures.map((measure) => ({ ...measure, series: seriesOf(message.source, measure) }));
    if (isRead) remember(message, each);
    const atMs = timeOf(message);
    if (Number.isNaN(atMs)) late += each.length;
    else for (const { series, value } of each) put(series.number, value, atMs);
  };
  const remember = (message: Message, each: readonly { key: string; series: Series }[]) => {
    const series = numberKeys(message)?.map(
      (key) => each.find((one) => one.key === key)?.series.number ?? NONE,
    );
    if (series !== undefined) shapes.learn(scanned.hash, scanned.check, series);
  };
  const addRead = (shape: number, message: Message) => {
    const atMs = timeOf(message);
    if (Number.isNaN(atMs)) {
      late += shapes.values(shape);
      return;
    }
    const { values } = scanned;
    const length = shapes.length(shape);
    for (let nth = 0; nth < length; nth++) {
      const number = shapes.series(shape, nth);
      if (number !== NONE) put(number, values[nth] as number, atMs);
    }
  };
  const addMeasured = (message: Message, isRead: boolean) => {
    const shape = isRead ? shapes.find(scanned.hash, scanned.check) : NONE;
    if (shape !== NONE) addRead(shape, message);
    else addParsed(message, isRead);
  };
  const closeIn = (series: Series, isOver: (window: Window) => boolean, closed: Closed[]) => {
    if (series.open[0] === undefined || !isOver(series.open[0])) return;
    sumUpSeries(series);
    while (series.open[0] !== undefined && isOver(series.open[0])) {
      const before = series.history.fine.latest();
      closed.push({ series, window: closeOldest(series, options.windowMs), before });
      openWindows--;
    }
  };
  const closeWhere = (isOver: (window: Window) => boolean) => {
    tally.settle();
    const closed: Closed[] = [];
    for (const series of all.values()) closeIn(series, isOver, closed);
    closeIn(overflowSeries, isOver, closed);
    return closed;
  };
  const forgetIdle = (nowMs: number) => {
    const before = all.size;
    for (const [key, { open, lastMs }] of all) {
      if (open.length === 0 && lastMs < nowMs - DAY_MS) all.delete(key);
    }
    if (all.size === before) return;
    shapes.forgetAll();
    list = [overflowSeries, ...all.values()];
    for (const [number, series] of list.entries()) series.number = number;
  };

  return {
    add(message) {
      if (!options.enabled) return;
      const { type } = message;
      const isRead = message.ticket === scanned.ticket && scanned.isMeasured;
      if (isRead || type === 'metric' || type === 'resource' || type === 'progress')
        addMeasured(message, isRead);
    },
    closeDue(nowMs) {
      const { windowMs, graceMs } = options;
      const closed = closeWhere(({ startMs }) => startMs + windowMs + graceMs <= nowMs);
      if (nowMs < Number.POSITIVE_INFINITY) forgetIdle(nowMs);
      return closed;
    },
    hasOpen: () => openWindows > 0 || !tally.isEmpty(),
    dueMs() {
      tally.settle();
      if (openWindows === 0) return undefined;
      let firstMs = overflowSeries.open[0]?.startMs ?? Number.POSITIVE_INFINITY;
      for (const { open } of all.values()) firstMs = Math.min(firstMs, open[0]?.startMs ?? firstMs);
      return firstMs + options.windowMs + options.graceMs;
    },
    options: () => options,
    setOptions(next) {
      const isOther = !next.enabled || next.windowMs !== options.windowMs;
      const closed = isOther ? closeWhere(() => true) : [];
      options = next;
      startMs = Number.NaN;
      return closed;
    },
    *series() {
      tally.settle();
      for (const series of all.values()) {
        sumUpSeries(series);
        yield series;
      }
      sumUpSeries(overflowSeries);
      if (overflowSeries.count > 0) yield overflowSeries;
    },
    stats: () => ({ series: all.size, late, overflow }),
  };
}
