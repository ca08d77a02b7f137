import { constants } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

const LF = 10;

/** Opens for appending, making the file if need be; never through a link, never waiting for a device. */
export const openAppend = (path: string, mode: number): Promise<FileHandle> =>
  open(
    path,
    constants.O_APPEND | constants.O_CREAT | constants.O_RDWR | constants.O_NOFOLLOW | constants.O_NONBLOCK,
    mode,
  );

/** Whether a file of `size` bytes ends within a line. */
export async function endsTorn(handle: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return false;
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(1), 0, 1, size - 1);
  return bytesRead === 1 && buffer[0] !== LF;
}

/**
 * Appends all of `pieces` or, as far as it is in our power, nothing: what a failing write left behind (a full
 * disk takes half a line) is cut off again, unless another process has appended since.
 */
export async function appendAll(handle: FileHandle, pieces: readonly Buffer[]): Promise<void> {
  let left = pieces;
  let written = 0;
  try {
    while (left.length > 0) {
      const { bytesWritten } = await handle.writev(left);
      if (bytesWritten === 0) throw new Error('nothing was written');
      written += bytesWritten;
      left = behind(left, bytesWritten);
    }
  } catch (error) {
    // A failure here leaves a torn line, which the next opening completes.
    const piece = () => Buffer.concat(pieces).subarray(0, written);
    if (written > 0) await cutOff(handle, piece()).catch(() => undefined);
    throw error;
  }
}

/** What is left of pieces without their first `bytes`. */
function behind(pieces: readonly Buffer[], bytes: number): readonly Buffer[] {
  let before = bytes;
  let first = 0;
  while (first < pieces.length && before >= (pieces[first]?.length ?? 0))
    before -= pieces[first++]?.length ?? 0;
  const [cut, ...rest] = pieces.slice(first);
  return cut === undefined ? [] : [cut.subarray(before), ...rest];
}

/** Removes `piece` from the file's end if that is what stands there. */
async function cutOff(handle: FileHandle, piece: Buffer): Promise<void> {
  const { size } = await handle.stat();
  const start = size - piece.length;
  if (start < 0) return;
  const { bytesRead, buffer } = await handle.read(Buffer.alloc(piece.length), 0, piece.length, start);
  if (bytesRead === piece.length && buffer.equals(piece)) await handle.truncate(start);
}
