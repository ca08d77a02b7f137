/**
 * Values on their way to their windows. They are only noted, one behind the other, and handed over many at once, those
 * of one series together: a series has its memory in a dozen places, which are looked up once for all of them.
 */
export interface ValueLog {
  /** Whether it takes no more before it is emptied. */
  isFull(): boolean;
  isEmpty(): boolean;
  /** Notes a value of the series of that number. */
  add(series: number, value: number, timeMs: number): void;
  /** Hands over all values, those of a series in their order and one after the other. */
  drain(take: (series: number, value: number, timeMs: number) => void): void;
}

const NONE = -1;
const FIRST_SERIES = 64;

/** Holds at most `size` values. */
export function createValueLog(size: number): ValueLog {
  const ofSeries = new Int32Array(size);
  const values = new Float64Array(size);
  const timesMs = new Float64Array(size);
  /** The next value of the same series. */
  const next = new Int32Array(size);
  /** By series: its first value; `NONE` but while values are handed over. */
  let heads = new Int32Array(FIRST_SERIES).fill(NONE);
  let used = 0;
  let most = 0;

  const makeRoom = () => {
    heads = new Int32Array(Math.max(most + 1, heads.length * 2)).fill(NONE);
  };
  return {
    isFull: () => used === size,
    isEmpty: () => used === 0,
    add(series, value, timeMs) {
      ofSeries[used] = series;
      values[used] = value;
      timesMs[used] = timeMs;
      used++;
      if (series > most) most = series;
    },
    drain(take) {
      if (most >= heads.length) makeRoom();
      for (let at = used - 1; at >= 0; at--) {
        const series = ofSeries[at] as number;
        next[at] = heads[series] as number;
        heads[series] = at;
      }
      for (let first = 0; first < used; first++) {
        const series = ofSeries[first] as number;
        for (let at = heads[series] as number; at !== NONE; at = next[at] as number)
          take(series, values[at] as number, timesMs[at] as number);
        // All of this series are handed over with its first value.
        heads[series] = NONE;
      }
      used = 0;
    },
  };
}
