const HEX3 = Array.from({ length: 4096 }, (_, i) => i.toString(16).padStart(3, '0'));
const COUNTER_SIZE = 4096 * 4096;

/** A generator of ids. */
export interface Ids {
  next(nowMs: number): string;
  /** Which of its stretches the last id is of: ids of one stretch differ in `digits` only. */
  stretch(): number;
  /** The last id's number within its stretch: its three hex digits from `DIGITS_AT` on. */
  digits(): number;
}

/** Where the digits are that differ within a stretch. */
export const DIGITS_AT = 20;

/**
 * A generator of UUIDv7 (RFC 9562, section 6.2 method 1): 48 bits of time, a 24-bit counter within the
 * millisecond, 48 bits of this process. Ordered as handed out, also when the clock is set back.
 */
export function createIds(random: () => number): Ids {
  const node = Array.from({ length: 4 }, () => HEX3[Math.floor(random() * 4096)]).join('');
  /** By the digits: one piece less for each id to be made of. */
  const ends = HEX3.map((digits) => `${digits}-${node}`);
  let timeMs = Number.NEGATIVE_INFINITY;
  let counter = 0;
  let time = '';
  let stretch = 0;
  /** All that comes before the digits. */
  let head = '';
  return {
    next(nowMs) {
      counter++;
      if (nowMs > timeMs || counter === COUNTER_SIZE) {
        timeMs = Math.max(nowMs, timeMs + 1);
        counter = 0;
        const hex = timeMs.toString(16).padStart(12, '0');
        time = `${hex.slice(0, 8)}-${hex.slice(8)}-7`;
      }
      if ((counter & 4095) === 0) {
        stretch++;
        // join makes a flat string, which is copied faster than one that is still in pieces.
        head = [time, HEX3[counter >>> 12], '-8'].join('');
      }
      return head + ends[counter & 4095];
    },
    stretch: () => stretch,
    digits: () => counter & 4095,
  };
}
