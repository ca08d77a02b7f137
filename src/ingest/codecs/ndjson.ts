import { isAscii, isUtf8 } from 'node:buffer';
import type { Codec, CodecDefinition, CodecIo } from '../codec.ts';
import { createHeld } from '../held.ts';
import { isBlank, readRecord } from '../json.ts';
import type { Frame } from '../record.ts';
import type { Rejection } from '../rejections.ts';

const LF = 0x0a;
const CR = 0x0d;
const OPEN_BRACE = 0x7b;
/** Blocks below this are not split further in search of their lines that are not ASCII. */
const SMALL_BLOCK_BYTES = 1024;

/** One JSON object a line, UTF-8. A bad line costs itself only; the bytes up to the last LF are decoded as a block. */
export const codec: CodecDefinition = {
  name: 'ndjson',
  accepts: (byte) => byte === OPEN_BRACE,
  open,
};

function open(io: CodecIo): Codec {
  const held = createHeld();
  /** Bytes discarded so far of a line over the limit. */
  let skipped = 0;

  /** Keeps the start of an incomplete line, or begins to skip it. */
  const hold = (chunk: Buffer, from: number) => {
    let start = from;
    if (held.length() === 0) while (isBlank(chunk[start])) start++;
    const length = held.length() + chunk.length - start;
    if (length <= io.maxFrameBytes) {
      held.append(chunk, start, chunk.length);
    } else {
      io.reject('too_large');
      skipped = length;
      held.clear();
    }
  };

  /** Ends the line that earlier chunks began; the position after its LF. */
  const finish = (chunk: Buffer, lineFeed: number): number => {
    if (skipped > 0) {
      skipped = 0;
    } else if (held.length() + lineFeed > io.maxFrameBytes) {
      io.reject('too_large');
    } else {
      held.append(chunk, 0, lineFeed);
      decodeBlock(held.view(), io);
    }
    held.clear();
    return lineFeed + 1;
  };

  return {
    push(chunk) {
      const last = chunk.lastIndexOf(LF);
      if (last === -1) {
        if (skipped > 0) skipped += chunk.length;
        else hold(chunk, 0);
        return undefined;
      }
      const start = held.length() + skipped > 0 ? finish(chunk, chunk.indexOf(LF)) : 0;
      if (start < last) decodeBlock(chunk.subarray(start, last), io);
      if (last + 1 < chunk.length) hold(chunk, last + 1);
      return io.isHopeless() ? 'bad_lines' : undefined;
    },
    end() {
      const parsed = held.length() > 0 ? lastLine(held.view(), io) : undefined;
      if (typeof parsed === 'object') io.emit(parsed);
      else if (parsed !== undefined) io.reject('truncated');
      held.clear();
    },
    pending: () => held.length() + skipped,
  };
}

function lastLine(bytes: Buffer, io: CodecIo): Frame | Rejection | undefined {
  return isUtf8(bytes) ? readRecord(bytes.toString(), true, io.scan, bytes, 0, bytes.length) : 'utf8';
}

/**
 * Decodes whole lines, the last one without its LF. Text that is ASCII is taken as Latin-1, seven times faster
 * than as UTF-8; so a block with other characters is halved until they stand alone with their neighbours.
 */
function decodeBlock(block: Buffer, io: CodecIo): void {
  const middle = block.length > SMALL_BLOCK_BYTES ? block.indexOf(LF, block.length >> 1) : -1;
  if (block.length <= io.maxFrameBytes && isAscii(block)) {
    decodeText(block, block.toString('latin1'), io);
  } else if (middle === -1) {
    decodeEachLine(block, io);
  } else {
    decodeBlock(block.subarray(0, middle), io);
    if (!io.isHopeless()) decodeBlock(block.subarray(middle + 1), io);
  }
}

/** Line by line: where a line may be too large, or not UTF-8, its neighbours must not suffer for it. */
function decodeEachLine(block: Buffer, io: CodecIo): void {
  for (let start = 0; start < block.length && !io.isHopeless(); ) {
    const lineFeed = block.indexOf(LF, start);
    const end = lineFeed === -1 ? block.length : lineFeed;
    if (end > start) take(readLine(block.subarray(start, end), io), io);
    start = end + 1;
  }
}

function readLine(line: Buffer, io: CodecIo): Frame | Rejection | undefined {
  if (line.length > io.maxFrameBytes) return 'too_large';
  if (!isUtf8(line)) return 'utf8';
  return readRecord(line.toString(), line.includes(CR), io.scan, line, 0, line.length);
}

/** Decodes the lines of `text`, of as many characters as `bytes`: both have the same positions. */
function decodeText(bytes: Buffer, text: string, io: CodecIo): void {
  const hasBreaks = text.includes('\r');
  for (let start = 0; start < text.length && !io.isHopeless(); ) {
    const lineFeed = text.indexOf('\n', start);
    const next = lineFeed === -1 ? text.length : lineFeed;
    const end = hasBreaks && text.charCodeAt(next - 1) === CR ? next - 1 : next;
    if (end > start) take(readRecord(text.slice(start, end), hasBreaks, io.scan, bytes, start, end), io);
    start = next + 1;
  }
}

function take(record: Frame | Rejection | undefined, io: CodecIo): void {
  if (typeof record === 'object') io.emit(record);
  else if (record !== undefined) io.reject(record);
}
