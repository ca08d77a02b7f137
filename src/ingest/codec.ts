import type { JsonObject } from '../message.ts';
import type { Frame } from './record.ts';
import type { Rejection } from './rejections.ts';
import type { Scan } from './scan.ts';

/** What a codec is given by the connection that it decodes. */
export interface CodecIo {
  readonly maxFrameBytes: number;
  readonly scan: Scan;
  /** When the bytes that are decoded now were read, epoch milliseconds. */
  readonly receivedMs: number;
  emit(frame: Frame): void;
  /** Counts one discarded frame. */
  reject(reason: Rejection): void;
  /** True once so many of the latest lines were bad that the connection is not worth reading. */
  isHopeless(): boolean;
}

/** The framing of one connection. Takes bytes as they come, however they are cut; never throws. */
export interface Codec {
  /** Emits every frame that `chunk` completes. A reason returned says that the connection must be closed for it. */
  push(chunk: Buffer): Rejection | undefined;
  /** The client has closed: what is held is the last frame, or lost. */
  end(): void;
  /** Bytes received so far of a frame that is not complete yet; 0 between frames. */
  pending(): number;
  /** A message to the client, framed as the client frames its own. */
  encode(message: JsonObject): Buffer;
}

/** The export `codec` of every file in `codecs/`. */
export interface CodecDefinition {
  readonly name: string;
  /** Whether a connection whose first non-blank byte is `byte` speaks this framing. */
  accepts(byte: number): boolean;
  open(io: CodecIo): Codec;
}
