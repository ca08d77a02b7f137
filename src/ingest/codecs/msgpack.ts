import type { Codec, CodecDefinition, CodecIo } from '../codec.ts';
import { createHeld } from '../held.ts';
import { packMessage, unpackRecord } from '../msgpack.ts';
import { createScanner, isMap } from '../msgpack-scan.ts';
import type { Rejection } from '../rejections.ts';

/** Concatenated MessagePack maps. There is nothing to resynchronise on: an error of structure closes. */
export const codec: CodecDefinition = { name: 'msgpack', accepts: isMap, open };

function open(io: CodecIo): Codec {
  const held = createHeld();
  const scanner = createScanner(io.maxFrameBytes);

  /** Emits the records of `bytes`; the position after the last one, or why there is none. */
  const decode = (bytes: Buffer): number | Rejection => {
    let start = 0;
    while (start < bytes.length) {
      if (!isMap(bytes[start])) return 'msgpack';
      const length = scanner.scan(bytes, start, bytes.length);
      if (typeof length === 'string') return length;
      if (length === 0) break;
      const record = unpackRecord(bytes, start, start + length, scanner.isPlain(), io.receivedMs);
      if (typeof record === 'object') io.emit(record);
      else io.reject(record);
      start += length;
    }
    return start;
  };

  return {
    push: (chunk) => held.through(chunk, decode),
    end() {
      if (held.length() > 0) io.reject('truncated');
      held.clear();
    },
    pending: held.length,
    encode: packMessage,
  };
}
