import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import type { JsonObject } from '../message.ts';
import { transcribe } from './msgpack-text.ts';
import type { Frame } from './record.ts';
import type { Rejection } from './rejections.ts';

/**
 * The reader in JavaScript, without its native part: hostile bytes must not reach memory-unsafe code. Nor do its
 * own extensions get any (records, pointers, regular expressions): a plain record has none.
 */
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: 'number' });

const packr = new Packr({ useRecords: false, variableMapSize: true });

/** A message to a client, as a MessagePack map. */
export const packMessage = (message: JsonObject): Buffer => packr.pack(message);

/** The record in `bytes[start, end)`, a map whose boundaries a scanner has found and called plain or not. */
export function unpackRecord(
  bytes: Buffer,
  start: number,
  end: number,
  plain: boolean,
  receivedMs: number,
): Frame | Rejection {
  try {
    if (plain) {
      const value: JsonObject = unpackr.unpack(bytes, { start, end });
      return { value, text: JSON.stringify(value), receivedMs };
    }
    const text = transcribe(bytes, start);
    return { value: JSON.parse(text), text, receivedMs };
  } catch {
    return 'msgpack';
  }
}
