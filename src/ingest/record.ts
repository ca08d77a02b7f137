import type { JsonObject } from '../message.ts';
import type { Canonical } from './canonical.ts';
import type { Origin } from './session/origin.ts';

/** One record as it came off the wire: a JSON object that is not checked yet, or known to be canonical and unparsed. */
export type Frame = ParsedFrame | Canonical;

/** A frame on its way to become a message. */
export type SentFrame = Frame | SessionFrame;

/** A frame of a client that has said hello. */
export interface SessionFrame {
  readonly origin: Origin;
  readonly frame: Frame;
  readonly head?: undefined;
}

export interface ParsedFrame {
  readonly value: JsonObject;
  /** JSON text of the record, on one line, from `{` to `}`: the sender's own, or written from its MessagePack. */
  readonly text: string;
  /** When its last byte was read, epoch milliseconds. */
  readonly receivedMs: number;
  readonly head?: undefined;
  readonly origin?: undefined;
}
