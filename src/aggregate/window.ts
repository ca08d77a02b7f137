import { type DDSketch, LogCollapsingLowestDenseDDSketch } from '@datadog/sketches-js';

/** The values of one series in one stretch of time. All but `startMs` and `slot` is what was summed up last. */
export interface Window {
  /** Its start, epoch milliseconds; a multiple of its length. */
  readonly startMs: number;
  /** Which multiple: as a small integer it is compared without a look at another place in memory. */
  readonly slot: number;
  count: number;
  sum: number;
  min: number;
  max: number;
  /** The value that is the latest by its sender's time, and that time. */
  last: number;
  lastMs: number;
  /** Values and their times, in pairs; those before `summedUp` are in the sums, all of them not in the sketch. */
  pairs: Float64Array;
  /** How many numbers of `pairs` are in use. */
  used: number;
  summedUp: number;
  /** Values that were more than are kept. */
  sketch: DDSketch | undefined;
}

/** Quantiles of few values are taken of the values themselves; of more, within 1 % of the true one. */
const MAX_VALUES = 64;
const FIRST_VALUES = 4;
const ACCURACY = 0.01;
/** Bins of a sketch, for values up to 10^17 times each other; past it the lowest are one. */
const MAX_BINS = 2048;

export const createWindow = (startMs: number, slot: number): Window => ({
  startMs,
  slot,
  count: 0,
  sum: 0,
  min: Number.POSITIVE_INFINITY,
  max: Number.NEGATIVE_INFINITY,
  last: 0,
  lastMs: Number.NEGATIVE_INFINITY,
  pairs: new Float64Array(FIRST_VALUES * 2),
  used: 0,
  summedUp: 0,
  sketch: undefined,
});

/** Adds a value of that time. It is only noted: sums are made of many at once, while they are at hand. */
export function addValue(window: Window, value: number, timeMs: number): void {
  if (window.used === window.pairs.length) makeRoom(window);
  window.pairs[window.used] = value;
  window.pairs[window.used + 1] = timeMs;
  window.used += 2;
}

function makeRoom(window: Window): void {
  const { pairs } = window;
  if (pairs.length === MAX_VALUES * 2) sketchOf(window);
  else {
    window.pairs = new Float64Array(pairs.length * 2);
    window.pairs.set(pairs);
  }
}

/** Brings the sums up to date. */
export function sumUp(window: Window): void {
  const { pairs, used } = window;
  let { sum, min, max, last, lastMs } = window;
  for (let at = window.summedUp; at < used; at += 2) {
    const value = pairs[at] as number;
    const timeMs = pairs[at + 1] as number;
    sum += value;
    if (value < min) min = value;
    if (value > max) max = value;
    if (timeMs >= lastMs) {
      last = value;
      lastMs = timeMs;
    }
  }
  window.count += (used - window.summedUp) / 2;
  window.summedUp = used;
  window.sum = sum;
  window.min = min;
  window.max = max;
  window.last = last;
  window.lastMs = lastMs;
}

/** Adds all values of `other`, which stays as it is. Both are summed up. */
export function mergeWindow(window: Window, other: Window): void {
  const isFew = window.count + other.count <= MAX_VALUES;
  window.count += other.count;
  window.sum += other.sum;
  window.min = Math.min(window.min, other.min);
  window.max = Math.max(window.max, other.max);
  if (other.lastMs >= window.lastMs) {
    window.last = other.last;
    window.lastMs = other.lastMs;
  }
  if (isFew) {
    for (let at = 0; at < other.used; at += 2)
      addValue(window, other.pairs[at] as number, other.pairs[at + 1] as number);
    window.summedUp = window.used;
    return;
  }
  const sketch = sketchOf(window);
  if (other.sketch !== undefined) mergeSketch(sketch, other.sketch);
  acceptAll(sketch, other);
}

/** Not the library's own, which forgets negative values, and loses those of a bin that it numbers 0. */
function mergeSketch(
  sketch: DDSketch,
  { mapping, store, negativeStore, zeroCount, max, min }: DDSketch,
): void {
  if (zeroCount > 0) sketch.accept(0, zeroCount);
  store.bins.forEach((weight, at) => {
    if (weight > 0) sketch.accept(Math.min(mapping.value(at + store.offset), max), weight);
  });
  negativeStore.bins.forEach((weight, at) => {
    if (weight > 0) sketch.accept(Math.max(-mapping.value(at + negativeStore.offset), min), weight);
  });
}

function acceptAll(sketch: DDSketch, { pairs, used }: Window): void {
  for (let at = 0; at < used; at += 2) sketch.accept(pairs[at] as number);
}

/** The sketch, with all values in it. */
function sketchOf(window: Window): DDSketch {
  if (window.summedUp < window.used) sumUp(window);
  window.sketch ??= new LogCollapsingLowestDenseDDSketch({ relativeAccuracy: ACCURACY, binLimit: MAX_BINS });
  acceptAll(window.sketch, window);
  window.used = 0;
  window.summedUp = 0;
  return window.sketch;
}

/** The value that a share `q` of the values is not above; of a window that has values and is summed up. */
export function quantileOf(window: Window, q: number): number {
  if (window.sketch !== undefined) {
    const value = sketchOf(window).getValueAtQuantile(q);
    return Math.min(window.max, Math.max(window.min, value));
  }
  const sorted = Float64Array.from({ length: window.count }, (_, index) => window.pairs[index * 2] as number);
  sorted.sort();
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] as number;
}
