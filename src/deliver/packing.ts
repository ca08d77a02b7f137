import { type Message, type Messages, messageIn } from '../message.ts';
import { bytesOf, copyLines } from '../message-text.ts';
import type { Slab } from './slab.ts';

/** A value for each message; one that is the same for all is kept once. */
type Column<T> = T | readonly T[];

/** What of packed messages is no bytes. */
export interface PackedFacts {
  readonly count: number;
  readonly sources: Column<string>;
  readonly seqs: Column<number>;
  /** The types that there are. */
  readonly types: readonly string[];
}

/**
 * Messages as bytes, a fraction of a microsecond each: what waits for long is nothing that a garbage collector has to
 * look at again and again.
 */
export interface Packed extends PackedFacts {
  /**
   * A row of `ROW_BYTES` for each message, column by column, little-endian; trace, span and job of each, UTF-8, one
   * behind the other; the lines.
   */
  readonly bytes: Buffer;
  /** Gives the memory back: nobody may look at `bytes` any more. */
  free(): void;
}

const DOUBLES = 2;
const WORDS = 6;
/** Two doubles: time, received; six words: bytes of line, head, trace, span and job, and the type; a byte: severity. */
const ROW_BYTES = 8 * DOUBLES + 4 * WORDS + 1;

/** Packs messages, at least one, into memory of a slab. */
export function pack(messages: readonly Message[], slab: Slab): Packed {
  const count = messages.length;
  const ids = idsOf(messages);
  const joined = ids.join('');
  const idBytes = Buffer.byteLength(joined);
  const rowBytes = count * ROW_BYTES;
  const { bytes: packed, free } = slab.allocate(rowBytes + idBytes + bytesOf(messages));
  packed.write(joined, rowBytes);
  copyLines(messages, packed, rowBytes + idBytes);
  const { doubles, words, bytes } = viewsOf(packed.buffer, packed.byteOffset, count);
  const types = new Map<string, number>();
  for (let n = 0; n < count; n++) {
    const message = messages[n] as Message;
    doubles[n] = message.timeMs;
    doubles[count + n] = message.receivedMs;
    words[n] = message.bytes;
    words[count + n] = message.headBytes;
    words[2 * count + n] = message.traceId.length;
    words[3 * count + n] = message.spanId.length;
    words[4 * count + n] = message.jobId.length;
    words[5 * count + n] = indexIn(types, message.type);
    bytes[n] = message.severity;
  }
  if (idBytes !== joined.length) measure(ids, words.subarray(2 * count, 5 * count));
  const sources = columnOf(messages, ({ source }) => source);
  const seqs = columnOf(messages, ({ seq }) => seq);
  return { count, sources, seqs, types: [...types.keys()], bytes: packed, free };
}

function idsOf(messages: readonly Message[]): string[] {
  const ids: string[] = new Array(3 * messages.length);
  let at = 0;
  for (const { traceId, spanId, jobId } of messages) {
    ids[at++] = traceId;
    ids[at++] = spanId;
    ids[at++] = jobId;
  }
  return ids;
}

/** Messages that were packed, made once somebody looks, in memory of their own. */
export interface PackedMessages extends Messages {
  /** Frees what they were packed in: those that nobody looked at are gone. */
  end(): void;
}

/** The messages that were packed; none is made before somebody looks. */
export function unpackLater(packed: Packed): PackedMessages {
  let left: Packed | undefined = packed;
  let all: readonly Message[] | undefined;
  const { count } = packed;
  const make = (from: number, to: number) => {
    if (left === undefined) throw new Error('these messages were given up, and can be looked at no more');
    return unpack(left, from, to).messages;
  };
  const list = () => {
    all ??= make(0, count);
    return all;
  };
  return {
    length: count,
    at(position) {
      const nth = position < 0 ? count + position : position;
      if (nth < 0 || nth >= count) return undefined;
      return all === undefined ? make(nth, nth + 1)[0] : all[nth];
    },
    filter: (matches) => list().filter(matches),
    map: (of) => list().map(of),
    some: (matches) => list().some(matches),
    [Symbol.iterator]: () => list()[Symbol.iterator](),
    end() {
      left?.free();
      left = undefined;
    },
  };
}

/** The messages that were packed, or some of them, in memory of their own, and their lines. Throws RangeError if these are none. */
export function unpack(
  { count, sources, seqs, types, bytes: packed }: Omit<Packed, 'free'>,
  from = 0,
  to = count,
) {
  const { doubles, words, bytes } = rowsIn(packed, count);
  const messages: Message[] = [];
  const idBytes = (first: number, last: number) =>
    sumOf(words, 2 * count + first, 2 * count + last) +
    sumOf(words, 3 * count + first, 3 * count + last) +
    sumOf(words, 4 * count + first, 4 * count + last);
  let idAt = count * ROW_BYTES + idBytes(0, from);
  const nextId = (length = 0) => {
    idAt += length;
    return length === 0 ? '' : packed.toString('utf8', idAt - length, idAt);
  };
  const linesAt = idAt + idBytes(from, count) + sumOf(words, 0, from);
  const lines = Buffer.from(packed.subarray(linesAt, linesAt + sumOf(words, from, to)));
  let at = 0;
  for (let n = from; n < to; n++) {
    const end = at + (words[n] as number);
    messages.push(
      messageIn(lines, at, end, words[count + n] as number, {
        source: cell(sources, n),
        type: types[words[5 * count + n] as number] as string,
        timeMs: doubles[n] as number,
        receivedMs: doubles[count + n] as number,
        traceId: nextId(words[2 * count + n]),
        spanId: nextId(words[3 * count + n]),
        jobId: nextId(words[4 * count + n]),
        seq: cell(seqs, n),
        severity: bytes[n] as number,
      }),
    );
    at = end;
  }
  return { messages, lines };
}

function sumOf(words: Uint32Array, from: number, to: number): number {
  let sum = 0;
  for (let at = from; at < to; at++) sum += words[at] as number;
  return sum;
}

/** The rows of what was packed. Numbers must lie at multiples of their size. */
function rowsIn({ buffer, byteOffset }: Buffer, count: number) {
  if (byteOffset % 8 === 0) return viewsOf(buffer, byteOffset, count);
  return viewsOf(buffer.slice(byteOffset, byteOffset + count * ROW_BYTES), 0, count);
}

function viewsOf(buffer: ArrayBufferLike, at: number, count: number) {
  const wordsAt = at + 8 * DOUBLES * count;
  const bytesAt = wordsAt + 4 * WORDS * count;
  return {
    doubles: new Float64Array(buffer, at, DOUBLES * count),
    words: new Uint32Array(buffer, wordsAt, WORDS * count),
    bytes: new Uint8Array(buffer, bytesAt, count),
  };
}

/** There are five types that the sidecar knows, and whatever else programs send. */
function indexIn(types: Map<string, number>, type: string): number {
  const known = types.get(type);
  if (known === undefined) types.set(type, types.size);
  return known ?? types.size - 1;
}

/** Lengths in bytes where they are not those in characters. */
function measure(ids: readonly string[], lengths: Uint32Array): void {
  const count = ids.length / 3;
  for (const [at, id] of ids.entries())
    lengths[(at % 3) * count + Math.floor(at / 3)] = Buffer.byteLength(id);
}

function columnOf<T>(messages: readonly Message[], of: (message: Message) => T): Column<T> {
  const first = of(messages[0] as Message);
  return messages.every((message) => of(message) === first) ? first : messages.map(of);
}

const cell = <T>(column: Column<T>, n: number): T =>
  Array.isArray(column) ? ((column as readonly T[])[n] as T) : (column as T);
