/**
 * The last values of each series, before they are put in their windows: in a row of numbers, so that a value costs a look
 * at two places of memory. A series and its window have theirs in a dozen.
 */
export interface Tally {
  isEmpty(): boolean;
  /** Adds a value of the series of that number, of a window that starts at `startMs`. */
  add(series: number, value: number, timeMs: number, startMs: number): void;
  /** Hands over all that it has. */
  settle(): void;
}

/** Takes values of one series and of one window; the row is used again when it returns. */
export type TakeRow = (series: number, startMs: number, row: Row) => void;

/** Values: the first of `numbers` from `at` on, the latest of them, and its time, at the places below. */
export interface Row {
  readonly numbers: Float64Array;
  readonly at: number;
}

/** Places of a row. */
export const COUNT = 0;
/** The value that is the latest by its time. */
export const LAST = 1;
/** That time, epoch milliseconds. */
export const LAST_MS = 2;
/** The start of their window, epoch milliseconds. */
const START_MS = 3;
/** The values, one behind the other. */
export const VALUES = 4;
/** So many at most: the more, the less often they are handed over, and the more places they take. */
const MOST_VALUES = 28;
const STRIDE = VALUES + MOST_VALUES;
const FIRST_SERIES = 64;

export function createTally(take: TakeRow): Tally {
  /** A row a series, by its number. */
  let numbers = new Float64Array(FIRST_SERIES * STRIDE).fill(Number.NaN);
  let isEmpty = true;

  const makeRoom = (needed: number) => {
    const wider = new Float64Array(Math.max(needed, numbers.length * 2)).fill(Number.NaN);
    wider.set(numbers);
    numbers = wider;
  };
  const begin = (at: number, startMs: number) => {
    numbers[at + COUNT] = 0;
    numbers[at + LAST_MS] = Number.NEGATIVE_INFINITY;
    numbers[at + START_MS] = startMs;
  };
  /** Hands a row over; it begins anew with another window. */
  const handOver = (at: number, nextMs: number) => {
    if ((numbers[at + COUNT] as number) > 0)
      take(at / STRIDE, numbers[at + START_MS] as number, { numbers, at });
    begin(at, nextMs);
  };

  return {
    isEmpty: () => isEmpty,
    add(series, value, timeMs, startMs) {
      const at = series * STRIDE;
      if (at >= numbers.length) makeRoom(at + STRIDE);
      if (numbers[at + START_MS] !== startMs) handOver(at, startMs);
      const count = numbers[at + COUNT] as number;
      numbers[at + VALUES + count] = value;
      numbers[at + COUNT] = count + 1;
      if (timeMs >= (numbers[at + LAST_MS] as number)) {
        numbers[at + LAST] = value;
        numbers[at + LAST_MS] = timeMs;
      }
      isEmpty = false;
      if (count + 1 === MOST_VALUES) handOver(at, startMs);
    },
    settle() {
      if (isEmpty) return;
      for (let at = 0; at < numbers.length; at += STRIDE) handOver(at, Number.NaN);
      isEmpty = true;
    },
  };
}
