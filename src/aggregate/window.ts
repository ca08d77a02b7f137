import { DDSketch } from '@datadog/sketches-js';

/** The values of one series in one stretch of time. */
export interface Window {
  /** Its start, epoch milliseconds; a multiple of its length. */
  startMs: number;
  count: number;
  sum: number;
  min: number;
  max: number;
  /** The value that is the latest by its sender's time, and that time. */
  last: number;
  lastMs: number;
  /** The values themselves while they are few; afterwards `sketch` has them. */
  values: number[];
  sketch: DDSketch | undefined;
}

/** Quantiles of few values are taken of the values themselves; of more, within 1 % of the true one. */
const MAX_VALUES = 64;
const ACCURACY = 0.01;

export const createWindow = (startMs: number): Window => ({
  startMs,
  count: 0,
  sum: 0,
  min: Number.POSITIVE_INFINITY,
  max: Number.NEGATIVE_INFINITY,
  last: 0,
  lastMs: Number.NEGATIVE_INFINITY,
  values: [],
  sketch: undefined,
});

/** Adds a value of that time. */
export function addValue(window: Window, value: number, timeMs: number): void {
  window.count++;
  window.sum += value;
  if (value < window.min) window.min = value;
  if (value > window.max) window.max = value;
  if (timeMs >= window.lastMs) {
    window.last = value;
    window.lastMs = timeMs;
  }
  if (window.sketch !== undefined) window.sketch.accept(value);
  else if (window.values.push(value) > MAX_VALUES) sketchOf(window);
}

/** Adds all values of `other`, which stays as it is. */
export function mergeWindow(window: Window, other: Window): void {
  window.count += other.count;
  window.sum += other.sum;
  window.min = Math.min(window.min, other.min);
  window.max = Math.max(window.max, other.max);
  if (other.lastMs >= window.lastMs) {
    window.last = other.last;
    window.lastMs = other.lastMs;
  }
  if (other.sketch === undefined && window.sketch === undefined) {
    window.values = window.values.concat(other.values);
    if (window.values.length > MAX_VALUES) sketchOf(window);
    return;
  }
  const sketch = sketchOf(window);
  if (other.sketch !== undefined) sketch.merge(other.sketch);
  else for (const value of other.values) sketch.accept(value);
}

function sketchOf(window: Window): DDSketch {
  if (window.sketch !== undefined) return window.sketch;
  const sketch = new DDSketch({ relativeAccuracy: ACCURACY });
  for (const value of window.values) sketch.accept(value);
  window.values = [];
  window.sketch = sketch;
  return sketch;
}

/** The value that a share `q` of the values is not above; of a window that has values. */
export function quantileOf(window: Window, q: number): number {
  if (window.sketch !== undefined) {
    const value = window.sketch.getValueAtQuantile(q);
    return Math.min(window.max, Math.max(window.min, value));
  }
  const sorted = Float64Array.from(window.values).sort();
  return sorted[Math.max(0, Math.ceil(q * sorted.length) - 1)] as number;
}
