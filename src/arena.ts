/**
 * Where the lines of new messages are written, one after the other, as UTF-8. Buffers of this size: an allocation of
 * its own for each line would cost more than the line.
 */
const ARENA_BYTES = 65_536;
/** Most bytes of UTF-8 that a UTF-16 code unit may take. */
const BYTES_PER_UNIT = 3;

/** Input from this size on is placed in a buffer of its own: below, that costs more than it saves. */
const PLACED_BYTES = 8_192;
/** Room is left for lines that exceed their input by so much more than the last ones did; at most by this. */
const SPARE = 1.05;
const MAX_GROWTH = 4;

let arena = Buffer.alloc(0);
let used = 0;
/** Where the next line must end: behind it is input whose lines are not written yet. */
let limit = 0;
/** By how much lines are expected to exceed their input, as a part of it. */
let growth = 0.5;
/** Bytes of the input that was placed in this buffer. */
let placedBytes = 0;

/** The buffer that lines are written to at present. */
export const arenaBuffer = (): Buffer => arena;

/** Where the next bytes go. */
export const arenaEnd = (): number => used;

/** Starts a line of at most `maxBytes`, all of it in one buffer; its first position. */
export function startLine(maxBytes: number): number {
  if (limit - used < maxBytes) {
    if (limit < arena.length) growth = Math.min(growth * SPARE ** 2, MAX_GROWTH);
    arena = Buffer.allocUnsafeSlow(Math.max(ARENA_BYTES, maxBytes));
    used = 0;
    limit = arena.length;
    placedBytes = 0;
  }
  return used;
}

/**
 * Places input that lines are about to be made of at the end of a new buffer, so that each is moved within it, at a
 * third of the cost of a copy between buffers; its position in `arenaBuffer()`. -1 for little input, which is left
 * where it is.
 */
export function placeInput(input: Buffer): number {
  if (input.length < PLACED_BYTES) return -1;
  // Of the input before this one all lines were made in its buffer.
  if (placedBytes > 0) growth = Math.max((used / placedBytes - 1) * SPARE, growth / SPARE);
  placedBytes = input.length;
  limit = Math.ceil(input.length * growth);
  arena = Buffer.allocUnsafeSlow(limit + input.length);
  used = 0;
  arena.set(input, limit);
  return limit;
}

/** Lines may take the place of input in `buffer` up to `end`. */
export function releaseInput(buffer: Buffer, end: number): void {
  if (buffer === arena) limit = end;
}

/** Most bytes that a text may take. */
export const mostBytes = (text: string): number => text.length * BYTES_PER_UNIT;

/** Adds `bytes[from, to)` to the line. */
export function addBytes(bytes: Buffer, from: number, to: number): void {
  if (bytes === arena) arena.copyWithin(used, from, to);
  else bytes.copy(arena, used, from, to);
  used += to - from;
}

/** Adds all of `bytes` to the line; a third of the cost of a part. */
export function addAll(bytes: Buffer): void {
  arena.set(bytes, used);
  used += bytes.length;
}

/** Adds text to the line. */
export function addText(text: string): void {
  used += arena.write(text, used);
}

/** Ends the line, a JSON object that lacks its brace, with that and LF. */
export function endLine(): void {
  arena[used++] = 0x7d;
  arena[used++] = 0x0a;
}

/**
 * Reopens the line that ends at `end` of `buffer` for members before its last brace; its first position. One that
 * is not the last written is copied behind the others.
 */
export function reopenLine(buffer: Buffer, start: number, end: number, maxMoreBytes: number): number {
  const isLast = buffer === arena && end === used && limit - used >= maxMoreBytes;
  if (isLast) {
    used -= 2;
    return start;
  }
  const first = startLine(end - start + maxMoreBytes);
  addBytes(buffer, start, end - 2);
  return first;
}

/** What is kept is written one after the other in buffers of this size: small, as one piece keeps all of its buffer. */
const KEPT_BYTES = 8_192;

/** Room in one of them, from `start` on. */
interface Place {
  readonly text: Buffer;
  readonly start: number;
}

/** Gives out places. One of these is for what is kept about as long: in Node.js's pool, which all share, a seventh was in use. */
function createKeeping(): (bytes: number) => Place {
  let text = Buffer.alloc(0);
  let end = 0;
  return (bytes) => {
    if (text.length - end < bytes) {
      text = Buffer.allocUnsafeSlow(Math.max(KEPT_BYTES, bytes));
      end = 0;
    }
    const start = end;
    end += bytes;
    return { text, start };
  };
}

const placeOfCopy = createKeeping();
const placeOfMember = createKeeping();

/** A copy of `bytes[from, to)` that outlives the lines written meanwhile, and where it starts in its buffer. */
export function copyOf(bytes: Buffer, from: number, to: number): Place {
  const place = placeOfCopy(to - from);
  bytes.copy(place.text, place.start, from, to);
  return place;
}

/** A member of an object (`,"k":v`) as UTF-8, for lines that it is added to. */
export function memberBytes(key: string, value: string): Buffer {
  const member = `,"${key}":${JSON.stringify(value)}`;
  const bytes = Buffer.byteLength(member);
  const { text, start } = placeOfMember(bytes);
  text.write(member, start);
  return text.subarray(start, start + bytes);
}
