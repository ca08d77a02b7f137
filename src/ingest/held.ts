/** Bytes of one incomplete frame. Appending is O(1) a byte, whatever the size of the pieces. */
export interface Held {
  length(): number;
  /** Copies `bytes[start, end)` to the end; the caller keeps to its bound. */
  append(bytes: Buffer, start: number, end: number): void;
  /** What is held, valid until the next `append` or `clear`. */
  view(): Buffer;
  /** Forgets the bytes and frees their memory. */
  clear(): void;
  /**
   * Has `decode` read what is held and `chunk` behind it, and holds what it left. `decode` returns the position
   * after the last frame, or why the bytes are of no use, which is returned.
   */
  through<Refusal extends string>(
    chunk: Buffer,
    decode: (bytes: Buffer) => number | Refusal,
  ): Refusal | undefined;
}

const EMPTY = Buffer.alloc(0);

/** Holds nothing and allocates nothing until bytes are appended. */
export function createHeld(): Held {
  let buffer = EMPTY;
  let length = 0;
  const reserve = (needed: number) => {
    if (needed <= buffer.length) return;
    const grown = Buffer.allocUnsafe(Math.max(needed, 2 * buffer.length));
    buffer.copy(grown, 0, 0, length);
    buffer = grown;
  };
  const append = (bytes: Buffer, start: number, end: number) => {
    reserve(length + end - start);
    length += bytes.copy(buffer, length, start, end);
  };
  const view = () => buffer.subarray(0, length);
  const clear = () => {
    buffer = EMPTY;
    length = 0;
  };
  return {
    length: () => length,
    append,
    view,
    clear,
    through(chunk, decode) {
      const isFresh = length === 0;
      if (!isFresh) append(chunk, 0, chunk.length);
      const bytes = isFresh ? chunk : view();
      const read = decode(bytes);
      if (typeof read === 'string') return read;
      if (isFresh || read > 0) {
        clear();
        if (read < bytes.length) append(bytes, read, bytes.length);
      }
      return undefined;
    },
  };
}
