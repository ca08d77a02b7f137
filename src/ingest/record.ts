import type { JsonObject } from '../message.ts';
import type { Envelope } from './scan.ts';

/**
 * One record as it came off the wire: a JSON object, not yet checked against the envelope (`value`), or known to be
 * canonical and left unparsed (`envelope`).
 */
export type Frame = ParsedFrame | ScannedFrame;

export interface ParsedFrame {
  readonly value: JsonObject;
  /** JSON text of the record, on one line, from `{` to `}`: the sender's own, or written from its MessagePack. */
  readonly text: string;
  readonly envelope?: undefined;
}

export interface ScannedFrame {
  readonly envelope: Envelope;
  readonly text: string;
}
