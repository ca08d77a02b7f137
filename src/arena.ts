/**
 * Where the lines of new messages are written, one after the other, as UTF-8. Buffers of this size: an allocation of
 * its own for each line would cost more than the line.
 */
const ARENA_BYTES = 65_536;
/** Most bytes of UTF-8 that a UTF-16 code unit may take. */
const BYTES_PER_UNIT = 3;

let arena = Buffer.alloc(0);
let used = 0;

/** The buffer that lines are written to at present. */
export const arenaBuffer = (): Buffer => arena;

/** Where the next bytes go. */
export const arenaEnd = (): number => used;

/** Starts a line of at most `maxBytes`, all of it in one buffer; its first position. */
export function startLine(maxBytes: number): number {
  if (arena.length - used < maxBytes) {
    arena = Buffer.allocUnsafeSlow(Math.max(ARENA_BYTES, maxBytes));
    used = 0;
  }
  return used;
}

/** Most bytes that a text may take. */
export const mostBytes = (text: string): number => text.length * BYTES_PER_UNIT;

/** Adds `bytes[from, to)` to the line. */
export function addBytes(bytes: Buffer, from: number, to: number): void {
  used += bytes.copy(arena, used, from, to);
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
  const isLast = buffer === arena && end === used && arena.length - used >= maxMoreBytes;
  if (isLast) {
    used -= 2;
    return start;
  }
  const first = startLine(end - start + maxMoreBytes);
  addBytes(buffer, start, end - 2);
  return first;
}
