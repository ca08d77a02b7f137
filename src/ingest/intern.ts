/** Reads the value of `bytes[from, to)`. */
export type Intern<V> = (bytes: Buffer, from: number, to: number) => V;

/**
 * A direct-mapped cache from UTF-8 bytes to what `make` makes of their text, for short values that recur (sources,
 * types, ids): a hit costs a comparison of the bytes and hands out the identical value, whose hash is known by
 * then. `size` is a power of two; a collision replaces. Text over `maxLength` bytes is made anew each time.
 */
export function createInterner<V>(size: number, maxLength: number, make: (text: string) => V): Intern<V> {
  const table = new Uint8Array(size * maxLength);
  const lengths = new Int32Array(size).fill(-1);
  const values: V[] = [];

  return (bytes, from, to) => {
    const length = to - from;
    if (length > maxLength) return make(bytes.toString('utf8', from, to));
    const slot = slotOf(bytes, from, to) & (size - 1);
    const start = slot * maxLength;
    let same = lengths[slot] === length;
    for (let i = 0; same && i < length; i++) same = table[start + i] === bytes[from + i];
    if (same) return values[slot] as V;
    const value = make(bytes.toString('utf8', from, to));
    for (let i = 0; i < length; i++) table[start + i] = bytes[from + i] as number;
    lengths[slot] = length;
    values[slot] = value;
    return value;
  };
}

/** A hash of the last eight bytes and the length: names and ids differ there first. */
function slotOf(bytes: Uint8Array, from: number, to: number): number {
  let hash = to - from;
  for (let at = Math.max(from, to - 8); at < to; at++)
    hash = (Math.imul(hash, 31) + (bytes[at] as number)) | 0;
  return hash ^ (hash >>> 15);
}

/** Whether `bytes[from, to)` is `known`. */
export function isSame(known: Uint8Array, bytes: Uint8Array, from: number, to: number): boolean {
  if (known.length !== to - from) return false;
  for (let at = 0; at < known.length; at++) if (known[at] !== bytes[from + at]) return false;
  return true;
}
