import { type DDSketch, LogCollapsingLowestDenseDDSketch } from '@datadog/sketches-js';
import { COUNT, LAST, LAST_MS, type Row, VALUES } from './tally.ts';

/** The values of one series in one stretch of time. */
export interface Window {
  /** Its start, epoch milliseconds; a multiple of its length. */
  readonly startMs: number;
  count: number;
  sum: number;
  min: number;
  max: number;
  /** The value that is the latest by its sender's time, and that time. */
  last: number;
  lastMs: number;
  /** The first `held` of these: all values while they are few, then those that the sketch does not have yet. */
  values: Float64Array;
  held: number;
  /** Once they are more. */
  sketch: DDSketch | undefined;
}

/** Quantiles of few values are taken of the values themselves; of more, within 1 % of the true one. */
const MAX_VALUES = 64;
const FIRST_VALUES = 4;
const ACCURACY = 0.01;
/** Bins of a sketch, for values up to 10^17 times each other; past it the lowest are one. */
const MAX_BINS = 2048;

export const createWindow = (startMs: number): Window => ({
  startMs,
  count: 0,
  sum: 0,
  min: Number.POSITIVE_INFINITY,
  max: Number.NEGATIVE_INFINITY,
  last: 0,
  lastMs: Number.NEGATIVE_INFINITY,
  values: new Float64Array(FIRST_VALUES),
  held: 0,
  sketch: undefined,
});

type Sums = Pick<Window, 'count' | 'sum' | 'min' | 'max' | 'last' | 'lastMs'>;

function addSums(window: Window, { count, sum, min, max, last, lastMs }: Sums): void {
  window.count += count;
  window.sum += sum;
  window.min = Math.min(window.min, min);
  window.max = Math.max(window.max, max);
  if (lastMs < window.lastMs) return;
  window.last = last;
  window.lastMs = lastMs;
}

/** Adds the values of a row of the tally. */
export function addRow(window: Window, { numbers, at }: Row): void {
  const count = numbers[at + COUNT] as number;
  const first = at + VALUES;
  let sum = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let each = first; each < first + count; each++) {
    const value = numbers[each] as number;
    sum += value;
    if (value < min) min = value;
    if (value > max) max = value;
  }
  const [last, lastMs] = [numbers[at + LAST] as number, numbers[at + LAST_MS] as number];
  addSums(window, { count, sum, min, max, last, lastMs });
  hold(window, numbers, first, count);
}

/** Adds all values of `other`, which stays as it is. */
export function mergeWindow(window: Window, other: Window): void {
  addSums(window, other);
  if (other.sketch !== undefined) mergeSketch(sketchOf(window), other.sketch);
  hold(window, other.values, 0, other.held);
}

/** Keeps `count` values, from `from` on, for the quantiles. */
function hold(window: Window, values: Float64Array, from: number, count: number): void {
  if (window.held + count > MAX_VALUES) sketchOf(window);
  if (window.held + count > window.values.length) makeRoom(window, window.held + count);
  for (let at = from; at < from + count; at++) window.values[window.held++] = values[at] as number;
}

function makeRoom(window: Window, needed: number): void {
  const { values } = window;
  window.values = new Float64Array(Math.max(needed, values.length * 2));
  window.values.set(values);
}

/** The sketch, with all values in it. */
function sketchOf(window: Window): DDSketch {
  window.sketch ??= new LogCollapsingLowestDenseDDSketch({ relativeAccuracy: ACCURACY, binLimit: MAX_BINS });
  for (let at = 0; at < window.held; at++) window.sketch.accept(window.values[at] as number);
  window.held = 0;
  return window.sketch;
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

/** The value that a share `q` of the values is not above; of a window that has values. */
export function quantileOf(window: Window, q: number): number {
  const { values, held, min, max } = window;
  if (window.sketch !== undefined)
    return Math.min(max, Math.max(min, sketchOf(window).getValueAtQuantile(q)));
  const sorted = values.slice(0, held).sort();
  return sorted[Math.max(0, Math.ceil(q * held) - 1)] as number;
}
