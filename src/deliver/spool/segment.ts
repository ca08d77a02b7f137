import { join } from 'node:path';
import type { Context } from '../../context.ts';
import type { Link } from '../../flow/chain.ts';
import { errorText } from '../retry.ts';
import type { Acknowledged, Cursor } from './cursor.ts';
import type { SpoolDisk } from './disk.ts';
import { type FrameFacts, nextFrame } from './frame.ts';

/** A frame that was taken and is not acknowledged, or not before others. */
export interface Outstanding {
  readonly segment: Segment;
  readonly at: number;
  readonly end: number;
  readonly target: string;
  readonly messages: number;
  done: boolean;
  /** Its place among those of its target that were put back, while it is one. */
  back: Link<Outstanding> | undefined;
}

/** A file of frames. */
export interface Segment {
  /** Its place in the order of all. */
  readonly seq: number;
  readonly name: string;
  readonly path: string;
  /** End of the last whole frame: what lies beyond is of no use. */
  size: number;
  /** Whether nothing more is written to it. */
  sealed: boolean;
  /** Where the frames that were not taken begin. */
  readOffset: number;
  /** Messages in these frames. */
  unread: number;
  /** Messages in frames that were taken and put back. */
  back: number;
  /** Whether it holds frames that must not be dropped to make room. */
  blocking: boolean;
  /** When the first and the last frame were offered, epoch milliseconds. */
  oldestMs: number;
  newestMs: number;
  readonly outstanding: Outstanding[];
  /** All frames before it are acknowledged. */
  ackOffset: number;
  /** Where frames behind it begin that an earlier process had acknowledged. */
  known: ReadonlySet<number>;
}

const NAME = /^(\d{16})-[0-9a-f]{8}\.segment$/;
const FIRST_SEQ = 1_000_000_000;

/** A segment without frames. Its name is used only once, so that nothing said of an older one is taken for it. */
export function createSegment(dir: string, seq: number, random: () => number): Segment {
  const nonce = Math.floor(random() * 2 ** 32)
    .toString(16)
    .padStart(8, '0');
  return emptySegment(dir, `${String(seq).padStart(16, '0')}-${nonce}.segment`, seq);
}

/** The place behind the others, and behind the last one that was ever seen. */
export const seqBehind = (segments: readonly Segment[], lastSeq: number): number =>
  Math.max(segments.at(-1)?.seq ?? FIRST_SEQ, lastSeq) + 1;

/** Counts a frame that ends at `end`. */
export function addFrame(segment: Segment, end: number, { messages, offeredMs, blocking }: FrameFacts): void {
  segment.size = end;
  segment.unread += messages;
  segment.blocking ||= blocking;
  segment.oldestMs = Math.min(segment.oldestMs, offeredMs);
  segment.newestMs = Math.max(segment.newestMs, offeredMs);
}

/** Messages in it that wait to be taken. */
export const waitingIn = ({ unread, back }: Segment): number => unread + back;

/** Whether nothing in it is of use any more. */
export const isConsumed = (segment: Segment): boolean =>
  segment.readOffset >= segment.size && segment.outstanding.length === 0;

/** Says that a frame is done with. */
export function acknowledge(frame: Outstanding): void {
  const { segment } = frame;
  frame.done = true;
  const { outstanding } = segment;
  let done = 0;
  while (outstanding[done]?.done) segment.ackOffset = outstanding[done++]?.end ?? 0;
  outstanding.splice(0, done);
}

/** What is acknowledged of a segment. */
export function acknowledgedOf({ ackOffset, outstanding, known }: Segment): Acknowledged {
  const beyond = [...known].filter((at) => at >= ackOffset);
  for (const { at, done } of outstanding) if (done) beyond.push(at);
  return { upTo: ackOffset, beyond };
}

/** What recovery found in a folder. */
export interface Recovered {
  /** In order, with what was not acknowledged. */
  readonly segments: Segment[];
  /** Bytes that are no whole frame: torn, or damaged. */
  readonly damagedBytes: number;
  /** The last place that a file has, one that could not be read included; 0 without files. */
  readonly lastSeq: number;
}

/** Reads all segments of a folder; removes those with nothing left in them. What cannot be read stays. */
export async function recoverSegments(
  dir: string,
  cursor: Cursor,
  disk: SpoolDisk,
  log: Context['log'],
): Promise<Recovered> {
  const segments: Segment[] = [];
  let damagedBytes = 0;
  let lastSeq = 0;
  for (const name of [...(await disk.list(dir))].sort()) {
    const seq = NAME.exec(name)?.[1];
    if (seq === undefined) continue;
    const segment = emptySegment(dir, name, Number(seq));
    lastSeq = segment.seq;
    try {
      const bytes = await disk.read(segment.path, 0, Number.POSITIVE_INFINITY);
      damagedBytes += fillFrom(segment, bytes, cursor.get(name) ?? NOTHING);
      if (segment.unread > 0) segments.push(segment);
      else await disk.remove(segment.path);
    } catch (error) {
      log.error({ file: segment.path, error: errorText(error) }, 'A segment of the spool cannot be read');
    }
  }
  return { segments, damagedBytes, lastSeq };
}

const NOTHING: Acknowledged = { upTo: 0, beyond: [] };

function fillFrom(segment: Segment, bytes: Buffer, { upTo, beyond }: Acknowledged): number {
  segment.readOffset = upTo;
  segment.ackOffset = upTo;
  segment.known = new Set(beyond);
  segment.sealed = true;
  let damaged = 0;
  let at = Math.min(upTo, bytes.length);
  for (let frame = nextFrame(bytes, at); frame !== undefined; frame = nextFrame(bytes, at)) {
    damaged += frame.at - at;
    at = frame.end;
    if (segment.known.has(frame.at)) segment.size = at;
    else addFrame(segment, at, frame);
  }
  return damaged + bytes.length - at;
}

function emptySegment(dir: string, name: string, seq: number): Segment {
  return {
    seq,
    name,
    path: join(dir, name),
    size: 0,
    sealed: false,
    readOffset: 0,
    unread: 0,
    back: 0,
    blocking: false,
    oldestMs: Number.POSITIVE_INFINITY,
    newestMs: Number.NEGATIVE_INFINITY,
    outstanding: [],
    ackOffset: 0,
    known: new Set(),
  };
}
