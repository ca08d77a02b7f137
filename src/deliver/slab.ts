/** Memory for what waits, until `free` is called. Whoever has it must not keep a part of it beyond that. */
export interface Piece {
  /** Starts at a multiple of 8 bytes. */
  readonly bytes: Buffer;
  /** Says that nothing of it is needed any more; may be called again. */
  free(): void;
}

export interface Slab {
  allocate(bytes: number): Piece;
}

interface Chunk {
  readonly memory: Buffer;
  used: number;
  /** Pieces of it that are not free. */
  pieces: number;
}

const CHUNK_BYTES = 2 ** 20;
const ALIGNMENT = 8;
/** Chunks that no slab uses, at most so many. */
const MAX_SPARE = 16;
const spare: Buffer[] = [];

/**
 * Memory that is used again as soon as it is free: what lives for more than an instant and then dies, buffer by
 * buffer, makes the engine collect all of its heap for the sake of memory that is outside of it. A chunk is free once
 * all of its pieces are, so what is in one slab should be freed about in the order in which it came.
 */
export function createSlab(): Slab {
  let current: Chunk | undefined;

  const give = (chunk: Chunk) => {
    chunk.pieces--;
    if (chunk.pieces > 0) return;
    if (chunk === current) current = undefined;
    if (chunk.memory.length === CHUNK_BYTES && spare.length < MAX_SPARE) spare.push(chunk.memory);
  };
  const chunkFor = (bytes: number): Chunk => {
    if (current !== undefined && current.used + bytes <= CHUNK_BYTES) return current;
    if (bytes > CHUNK_BYTES) return chunkOf(Buffer.allocUnsafeSlow(bytes));
    current = chunkOf(spare.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES));
    return current;
  };

  return {
    allocate(bytes) {
      const chunk = chunkFor(bytes);
      const at = chunk.used;
      chunk.used = Math.ceil((at + bytes) / ALIGNMENT) * ALIGNMENT;
      chunk.pieces++;
      let isFree = false;
      const free = () => {
        if (!isFree) give(chunk);
        isFree = true;
      };
      return { bytes: chunk.memory.subarray(at, at + bytes), free };
    },
  };
}

const chunkOf = (memory: Buffer): Chunk => ({ memory, used: 0, pieces: 0 });
