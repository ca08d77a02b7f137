import { isUtf8 } from 'node:buffer';
import type { Codec, CodecDefinition, CodecIo } from '../codec.ts';
import { createHeld } from '../held.ts';
import { readRecord } from '../json.ts';
import { packMessage, unpackRecord } from '../msgpack.ts';
import { createScanner, isMap, type Scanner } from '../msgpack-scan.ts';
import type { Frame } from '../record.ts';
import type { Rejection } from '../rejections.ts';

const HEADER_BYTES = 4;
const OPEN_BRACE = 0x7b;

/** A u32 big-endian length, then a JSON object or a MessagePack map. Length 0 keeps alive; a bad length closes. */
export const codec: CodecDefinition = {
  name: 'framed',
  accepts: (byte) => byte === 0,
  open,
};

function open(io: CodecIo): Codec {
  const held = createHeld();
  const scanner = createScanner(io.maxFrameBytes);
  /** Whether the latest payload is JSON. */
  let isJson = true;

  /** Emits the frames of `bytes`; the position after the last one, or why there is none. */
  const decode = (bytes: Buffer): number | Rejection => {
    let start = 0;
    while (start + HEADER_BYTES <= bytes.length) {
      const length = bytes.readUInt32BE(start);
      if (length > io.maxFrameBytes) return 'bad_length';
      const end = start + HEADER_BYTES + length;
      if (end > bytes.length) break;
      if (length > 0) {
        const payload = bytes.subarray(start + HEADER_BYTES, end);
        isJson = payload[0] === OPEN_BRACE;
        take(decodePayload(payload, scanner, io));
      }
      start = end;
    }
    return start;
  };
  const take = (record: Frame | Rejection) => {
    if (typeof record === 'object') io.emit(record);
    else io.reject(record);
  };

  return {
    push: (chunk) => held.through(chunk, decode),
    end() {
      if (held.length() > 0) io.reject('truncated');
      held.clear();
    },
    pending: held.length,
    encode(message) {
      const payload = isJson ? Buffer.from(JSON.stringify(message)) : packMessage(message);
      const header = Buffer.alloc(HEADER_BYTES);
      header.writeUInt32BE(payload.length);
      return Buffer.concat([header, payload]);
    },
  };
}

function decodePayload(payload: Buffer, scanner: Scanner, io: CodecIo): Frame | Rejection {
  if (payload[0] === OPEN_BRACE) return decodeJson(payload, io);
  if (!isMap(payload[0])) return 'not_object';
  const length = scanner.scan(payload, 0, payload.length);
  if (length === payload.length) {
    return unpackRecord(payload, 0, length, scanner.isPlain(), io.receivedMs);
  }
  scanner.reset();
  return typeof length === 'string' ? length : 'msgpack';
}

function decodeJson(payload: Buffer, { scan, receivedMs }: CodecIo): Frame | Rejection {
  return isUtf8(payload) ? (readRecord(payload, scan, receivedMs) ?? 'not_object') : 'utf8';
}
