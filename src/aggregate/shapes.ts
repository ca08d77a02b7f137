/**
 * What is known of records that look alike, by 64 bits of their hash: which of their numbers belong to which series.
 * One array of integers, so that it takes one look at memory, not five, to find a shape and its series.
 */
export interface Shapes {
  /** Where the shape is with both halves of that hash; -1 if it is not known. Valid until the next `learn`. */
  find(hash: number, check: number): number;
  /** How many numbers records of the shape have. */
  length(at: number): number;
  /** The number of the series of their `nth` number, or `NONE`. */
  series(at: number, nth: number): number;
  /** How many of their numbers are values of a series. */
  values(at: number): number;
  /** Notes a shape that is not known, with at most 16 numbers. Past the bound all others are forgotten. */
  learn(hash: number, check: number, series: readonly number[]): void;
  forgetAll(): void;
}

/** Of a number that belongs to no series. */
export const NONE = -1;
/** Integers a shape: both halves of its hash, its length plus one (0: none is there), its values, its series. */
const STRIDE = 32;
const CHECK = 1;
const LENGTH = 2;
const VALUES = 3;
const SERIES = 4;
const FIRST_SLOTS = 64;
/** Of the slots at most so many are taken: more would be looked through for long. */
const MOST_TAKEN = 0.5;

/** Knows at most `max` shapes. */
export function createShapes(max: number): Shapes {
  let slots = FIRST_SLOTS;
  let table = new Int32Array(slots * STRIDE);
  let known = 0;

  /** Where the shape is, or may be put. */
  const slotOf = (hash: number, check: number) => {
    for (let slot = hash & (slots - 1); ; slot = (slot + 1) & (slots - 1)) {
      const at = slot * STRIDE;
      if (table[at + LENGTH] === 0 || (table[at] === hash && table[at + CHECK] === check)) return at;
    }
  };
  const forgetAll = () => {
    table = new Int32Array(slots * STRIDE);
    known = 0;
  };
  const grow = () => {
    const before = table;
    slots *= 2;
    table = new Int32Array(slots * STRIDE);
    for (let at = 0; at < before.length; at += STRIDE) {
      if (before[at + LENGTH] === 0) continue;
      const to = slotOf(before[at] as number, before[at + CHECK] as number);
      table.set(before.subarray(at, at + STRIDE), to);
    }
  };

  return {
    find(hash, check) {
      const at = slotOf(hash, check);
      return table[at + LENGTH] === 0 ? NONE : at;
    },
    length: (at) => (table[at + LENGTH] as number) - 1,
    series: (at, nth) => table[at + SERIES + nth] as number,
    values: (at) => table[at + VALUES] as number,
    learn(hash, check, series) {
      if (known === max) forgetAll();
      else if (known >= slots * MOST_TAKEN) grow();
      const at = slotOf(hash, check);
      table.set([hash, check, series.length + 1, series.filter((one) => one !== NONE).length, ...series], at);
      known++;
    },
    forgetAll,
  };
}
