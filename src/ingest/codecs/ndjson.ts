import { isUtf8 } from 'node:buffer';
import type { Codec, CodecDefinition, CodecIo } from '../codec.ts';
import { createHeld } from '../held.ts';
import { isBlank, parseRecord, readRecord } from '../json.ts';
import type { Frame } from '../record.ts';
import type { Rejection } from '../rejections.ts';

const LF = 0x0a;
const CR = 0x0d;
const OPEN_BRACE = 0x7b;
/** Blocks below this are not split further in search of their lines that are not UTF-8. */
const SMALL_BLOCK_BYTES = 1024;

/** One JSON object a line, UTF-8. A bad line costs itself only; the bytes up to the last LF are decoded as a block. */
export const codec: CodecDefinition = {
  name: 'ndjson',
  accepts: (byte) => byte === OPEN_BRACE,
  open,
};

function open(io: CodecIo): Codec {
  /** Exists only while a line is incomplete: an idle connection costs nothing. */
  let partial: PartialLine | undefined;
  return {
    push(chunk) {
      const last = chunk.lastIndexOf(LF);
      let start = 0;
      if (partial !== undefined && last >= 0) {
        start = partial.finish(chunk, chunk.indexOf(LF));
        partial = undefined;
      }
      if (start < last) decodeBlock(chunk.subarray(start, last), io);
      if (last + 1 < chunk.length) {
        partial ??= createPartialLine(io);
        partial.hold(chunk, last + 1);
      }
      return io.isHopeless() ? 'bad_lines' : undefined;
    },
    end: () => partial?.end(),
    pending: () => partial?.pending() ?? 0,
    encode: (message) => Buffer.from(`${JSON.stringify(message)}\n`),
  };
}

/** A line whose LF has not come yet. Its bytes are held, or only counted once they exceed the limit. */
interface PartialLine {
  /** Takes what follows in `chunk` from `start` on. */
  hold(chunk: Buffer, start: number): void;
  /** Decodes the line, which `chunk` ends at `lineFeed`; the position after it. */
  finish(chunk: Buffer, lineFeed: number): number;
  /** Decodes the line, which nothing ends but the connection. */
  end(): void;
  /** Bytes so far, from its first character on: behind blanks a client may be idle. */
  pending(): number;
}

function createPartialLine(io: CodecIo): PartialLine {
  const held = createHeld();
  let skipped = 0;
  let blanks = 0;
  const hold = (chunk: Buffer, start: number) => {
    const length = held.length() + skipped + chunk.length - start;
    if (blanks === held.length() + skipped) blanks += countBlanks(chunk, start);
    if (length <= io.maxFrameBytes) {
      held.append(chunk, start, chunk.length);
    } else {
      if (skipped === 0) io.reject('too_large');
      held.clear();
      skipped = length;
    }
  };
  return {
    hold,
    finish(chunk, lineFeed) {
      hold(chunk.subarray(0, lineFeed), 0);
      if (skipped === 0) decodeBlock(held.view(), io);
      return lineFeed + 1;
    },
    end() {
      const record = skipped === 0 ? readLine(held.view(), io) : undefined;
      if (typeof record === 'object') io.emit(record);
      else if (record !== undefined) io.reject('truncated');
    },
    pending: () => held.length() + skipped - blanks,
  };
}

function countBlanks(bytes: Buffer, start: number): number {
  let end = start;
  while (isBlank(bytes[end])) end++;
  return end - start;
}

/** Decodes whole lines, the last one without its LF. A block that is not UTF-8 is halved until its bad lines stand alone. */
function decodeBlock(block: Buffer, io: CodecIo): void {
  if (block.length <= io.maxFrameBytes && isUtf8(block)) {
    decodeLines(block, io);
    return;
  }
  const middle = block.length > SMALL_BLOCK_BYTES ? block.indexOf(LF, block.length >> 1) : -1;
  if (middle === -1) {
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
  return isUtf8(line) ? readRecord(line, io.scan, io.receivedMs) : 'utf8';
}

/**
 * Decodes lines of UTF-8, no longer than a frame may be. Where a line ends is known once it is scanned; one that the
 * scan leaves alone is looked for.
 */
function decodeLines(block: Buffer, io: CodecIo): void {
  const { scan } = io;
  let isLoaded = scan.load(block, io.receivedMs);
  const hasBreaks = block.includes(CR);
  for (let start = 0; start < block.length && !io.isHopeless(); ) {
    // While a record was emitted, another connection may have been read.
    if (isLoaded && !scan.has(block)) isLoaded = scan.load(block, io.receivedMs);
    const record = isLoaded ? scan.read(start, block.length) : undefined;
    if (record !== undefined && !(hasBreaks && hasBreakBefore(block, start, scan.end()))) {
      const end = scan.end();
      io.emit(record);
      start = end + (block[end] === CR ? 2 : 1);
      continue;
    }
    const lineFeed = block.indexOf(LF, start);
    const end = lineFeed === -1 ? block.length : lineFeed;
    if (end > start) take(parseRecord(block.toString('utf8', start, end), io.receivedMs), io);
    start = end + 1;
  }
}

function hasBreakBefore(block: Buffer, start: number, end: number): boolean {
  const at = block.indexOf(CR, start);
  return at >= 0 && at < end;
}

function take(record: Frame | Rejection | undefined, io: CodecIo): void {
  if (typeof record === 'object') io.emit(record);
  else if (record !== undefined) io.reject(record);
}
