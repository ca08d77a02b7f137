/** The middle value; of an even number of values the mean of the two middle ones; NaN of none. */
export function median(/** @type {readonly number[]} */ values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const high = sorted[Math.floor(middle)] ?? Number.NaN;
  return Number.isInteger(middle) ? (high + (sorted[middle - 1] ?? Number.NaN)) / 2 : high;
}

/**
 * The least value that at least `share` (0–1) of all values do not exceed.
 * @param {{ readonly length: number, readonly [index: number]: number }} sorted ascending
 * @param {number} share
 */
export function percentile(sorted, share) {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

/**
 * Count and percentiles of a set of values, in their own unit.
 * @param {readonly number[]} values
 */
export function summary(values) {
  const sorted = Float64Array.from(values).sort();
  const at = (/** @type {number} */ share) => percentile(sorted, share);
  return {
    count: sorted.length,
    p50: at(0.5),
    p90: at(0.9),
    p95: at(0.95),
    p99: at(0.99),
    p999: at(0.999),
    max: at(1),
  };
}

/**
 * Least-squares slope of y over x, in y's unit per x's.
 * @param {readonly (readonly [number, number])[]} points
 */
export function slope(points) {
  const mean = (/** @type {0 | 1} */ axis) =>
    points.reduce((sum, point) => sum + point[axis], 0) / points.length;
  const [meanX, meanY] = [mean(0), mean(1)];
  let above = 0;
  let below = 0;
  for (const [x, y] of points) {
    above += (x - meanX) * (y - meanY);
    below += (x - meanX) ** 2;
  }
  return above / below;
}

/** 1234567 → `1,234,567`. */
export const grouped = (/** @type {number} */ value) => Math.round(value).toLocaleString('en-US');

/** Bytes as MB (10⁶) with `digits` decimals. */
export const megabytes = (/** @type {number} */ bytes, digits = 0) => `${(bytes / 1e6).toFixed(digits)} MB`;

/** Microseconds as ms with two decimals. */
export const milliseconds = (/** @type {number} */ us) => `${(us / 1000).toFixed(2)} ms`;
