import { dataOf, type JsonObject, type Message } from '../message.ts';
import { NO_TICKET, numbers } from '../numbers.ts';
import { measuresOf } from './measures.ts';
import { closeOldest, createSeries, keyOf, OVERFLOW, type Series, sumUpSeries, windowOf } from './series.ts';
import { addValue, type Window } from './window.ts';

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
  /** The last value of the window before it; `undefined` if there was none. */
  readonly before: number | undefined;
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

/** What is known of records that look alike: which of their numbers belong to which series. */
interface Shape {
  /** The other half of the hash. */
  readonly check: number;
  readonly series: readonly (Series | undefined)[];
  /** How many of the numbers are values of a series. */
  readonly values: number;
}

/** Past it all are forgotten, and learnt anew. */
const MAX_SHAPES = 20_000;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const COARSE_MS = 300_000;
/** Fine windows kept a series; with those of five minutes they cover a day. */
const FINE_POINTS = 360;

/** Of an object's members those that are numbers, in the order of its text; `undefined` if that cannot be told. */
function numbersIn(data: JsonObject): readonly (readonly [key: string, value: unknown])[] | undefined {
  const all = Object.entries(data);
  // JavaScript moves these to the front.
  return all.some(([key]) => /^\d+$/.test(key))
    ? undefined
    : all.filter(([, value]) => typeof value === 'number');
}

const depthOf = ({ windowMs }: AggregationOptions) => {
  const coarseMs = Math.ceil(COARSE_MS / windowMs) * windowMs;
  return { finePoints: FINE_POINTS, coarseMs, coarsePoints: Math.ceil(DAY_MS / coarseMs) };
};

export function createAggregation(initial: AggregationOptions): Aggregation {
  let options = initial;
  const all = new Map<string, Series>();
  const overflowSeries = createSeries(
    OVERFLOW,
    { name: OVERFLOW, tags: [], unit: '', kind: '' },
    depthOf(options),
  );
  /** Shapes by half of their hash; only to be faster, and emptied when they are many. */
  let shapes = new Map<number, Shape>();
  let openWindows = 0;
  let late = 0;
  let overflow = 0;
  /** The time of the message that is looked at, and the window that it is in. */
  let atMs = 0;
  let startMs = Number.NaN;
  let slot = 0;

  const opened = () => {
    openWindows++;
  };
  const seriesOf = (source: string, measure: Parameters<typeof createSeries>[1]): Series => {
    const key = keyOf(source, measure);
    const known = all.get(key);
    if (known !== undefined) return known;
    if (all.size >= options.maxSeries) return overflowSeries;
    const series = createSeries(source, measure, depthOf(options));
    all.set(key, series);
    return series;
  };
  /** Finds the window of a message's time; false if that has closed. */
  const isInTime = ({ timeMs, receivedMs }: Message): boolean => {
    const { windowMs, graceMs } = options;
    // A clock that is ahead: its values count now.
    atMs = timeMs > receivedMs + graceMs ? receivedMs : timeMs;
    if (!(atMs >= startMs && atMs < startMs + windowMs)) {
      slot = Math.floor(atMs / windowMs);
      startMs = slot * windowMs;
    }
    return startMs + windowMs + graceMs > receivedMs;
  };
  /** Adds a value at the time that was looked at last. */
  const put = (series: Series, value: number) => {
    const { newest } = series;
    addValue(newest?.slot === slot ? newest : windowOf(series, startMs, slot, opened), value, atMs);
    if (series === overflowSeries) overflow++;
  };
  /** Parses the record; remembers its shape if its numbers are those that the scan found. */
  const addParsed = (message: Message, isRead: boolean) => {
    const measures = measuresOf(message);
    const each = measures.map((measure) => ({ ...measure, series: seriesOf(message.source, measure) }));
    if (isRead) remember(message, each);
    if (isInTime(message)) for (const { series, value } of each) put(series, value);
    else late += each.length;
  };
  const remember = (message: Message, each: readonly { key: string; series: Series }[]) => {
    const found = numbersIn(dataOf(message));
    const isSame =
      found !== undefined &&
      found.length === numbers.count &&
      found.every(([, value], at) => value === numbers.values[at]);
    if (!isSame) return;
    const series = found.map(([key]) => each.find((one) => one.key === key)?.series);
    if (shapes.size === MAX_SHAPES) shapes = new Map();
    shapes.set(numbers.hash, { check: numbers.check, series, values: each.length });
  };
  const addRead = (shape: Shape, message: Message) => {
    if (!isInTime(message)) {
      late += shape.values;
      return;
    }
    for (let at = 0; at < shape.series.length; at++) {
      const series = shape.series[at];
      if (series !== undefined) put(series, numbers.values[at] as number);
    }
  };
  const addMeasured = (message: Message) => {
    const { ticket } = message;
    const isRead = ticket !== NO_TICKET && ticket === numbers.ticket;
    const shape = isRead ? shapes.get(numbers.hash) : undefined;
    if (shape?.check === numbers.check) addRead(shape, message);
    else addParsed(message, isRead);
  };
  const closeIn = (series: Series, isOver: (window: Window) => boolean, closed: Closed[]) => {
    if (series.open[0] === undefined || !isOver(series.open[0])) return;
    sumUpSeries(series);
    while (series.open[0] !== undefined && isOver(series.open[0])) {
      const before = series.history.fine.latest()?.last;
      closed.push({ series, window: closeOldest(series), before });
      openWindows--;
    }
  };
  const closeWhere = (isOver: (window: Window) => boolean) => {
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
    if (all.size < before) shapes = new Map();
  };

  return {
    add(message) {
      const { type } = message;
      if (!options.enabled) return;
      if (message.ticket !== NO_TICKET || type === 'metric' || type === 'resource' || type === 'progress')
        addMeasured(message);
    },
    closeDue(nowMs) {
      const { windowMs, graceMs } = options;
      const closed = closeWhere(({ startMs }) => startMs + windowMs + graceMs <= nowMs);
      if (nowMs < Number.POSITIVE_INFINITY) forgetIdle(nowMs);
      return closed;
    },
    hasOpen: () => openWindows > 0,
    dueMs() {
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
