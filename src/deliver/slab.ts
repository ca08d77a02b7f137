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
/** Chunks without a piece that are kept. */
const SPARE_CHUNKS = 16;
const ALIGNMENT = 8;

/**
 * Memory that is used again as soon as it is free. What lives for more than an instant and then dies, buffer by
 * buffer, makes the engine collect all of its heap for the sake of memory that is outside of it.
 */
export function createSlab(): Slab {
  const spare: Chunk[] = [];
  let current: Chunk | undefined;

  const give = (chunk: Chunk) => {
    chunk.pieces--;
    if (chunk.pieces > 0) return;
    chunk.used = 0;
    if (chunk !== current && chunk.memory.length === CHUNK_BYTES && spare.length < SPARE_CHUNKS)
      spare.push(chunk);
  };
  const chunkFor = (bytes: number): Chunk => {
    if (current !== undefined && current.used + bytes <= CHUNK_BYTES) return current;
    if (bytes > CHUNK_BYTES) return newChunk(bytes);
    const full = current;
    current = spare.pop() ?? newChunk(CHUNK_BYTES);
    // It was given back while it was the current one.
    if (full?.pieces === 0) spare.push(full);
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

const newChunk = (bytes: number): Chunk => ({ memory: Buffer.allocUnsafeSlow(bytes), used: 0, pieces: 0 });
