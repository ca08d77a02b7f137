import { crc32 } from 'node:zlib';

/**
 * A frame: marker, CRC-32 of all that follows it, length of the payload, messages, flags (all 32 bit), when it was
 * offered (double), payload. Little-endian.
 */
const HEADER_BYTES = 28;
/** Bytes that no UTF-8 text contains: nothing that a sender wrote can look like the start of a frame. */
const MARKER = Buffer.from([0xff, 0xc1, 0xfe, 0xf5]);
const BLOCKING = 1;

/** What is known of a frame without decoding it. */
export interface FrameFacts {
  readonly messages: number;
  /** Epoch milliseconds. */
  readonly offeredMs: number;
  /** Whether it must not be dropped to make room. */
  readonly blocking: boolean;
}

/** A whole frame in a piece of a file; `at` and `end` count from the piece's start. */
export interface Frame extends FrameFacts {
  readonly at: number;
  readonly end: number;
  readonly payload: Buffer;
}

/** The pieces of a frame, in order. */
export function frameOf(payload: readonly Buffer[], { messages, offeredMs, blocking }: FrameFacts): Buffer[] {
  const header = Buffer.allocUnsafe(HEADER_BYTES);
  MARKER.copy(header);
  header.writeUInt32LE(
    payload.reduce((sum, { length }) => sum + length, 0),
    8,
  );
  header.writeUInt32LE(messages, 12);
  header.writeUInt32LE(blocking ? BLOCKING : 0, 16);
  header.writeDoubleLE(offeredMs, 20);
  let checksum = crc32(header.subarray(8));
  // Of no bytes zlib's checksum may be 0, whatever came before.
  for (const piece of payload) if (piece.length > 0) checksum = crc32(piece, checksum);
  header.writeUInt32LE(checksum, 4);
  return [header, ...payload];
}

/** The first whole frame that starts at `from` or later; what is damaged is passed over. */
export function nextFrame(bytes: Buffer, from: number): Frame | undefined {
  for (let at = bytes.indexOf(MARKER, from); at >= 0; at = bytes.indexOf(MARKER, at + 1)) {
    if (at + HEADER_BYTES > bytes.length) return undefined;
    const end = at + HEADER_BYTES + bytes.readUInt32LE(at + 8);
    if (end > bytes.length || crc32(bytes.subarray(at + 8, end)) !== bytes.readUInt32LE(at + 4)) continue;
    return {
      at,
      end,
      messages: bytes.readUInt32LE(at + 12),
      blocking: (bytes.readUInt32LE(at + 16) & BLOCKING) !== 0,
      offeredMs: bytes.readDoubleLE(at + 20),
      payload: bytes.subarray(at + HEADER_BYTES, end),
    };
  }
  return undefined;
}
