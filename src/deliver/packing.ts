import { type Message, messageIn } from '../message.ts';

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
  /** A row of `ROW_BYTES` for each message, column by column, little-endian. */
  readonly rows: Buffer;
  /** Trace, span and job of each message, UTF-8, one behind the other; their lengths are in the rows. */
  readonly ids: Buffer;
  /** Their lines. */
  readonly lines: Buffer;
}

const DOUBLES = 2;
const WORDS = 5;
const HALVES = 1;
/** Two doubles: time, received; five words: bytes of line, head, trace, span, job; a half: type; a byte: severity. */
export const ROW_BYTES = 8 * DOUBLES + 4 * WORDS + 2 * HALVES + 1;

/** Packs messages, whose lines are these; at least one. */
export function pack(messages: readonly Message[], lines: Buffer): Packed {
  const count = messages.length;
  const { rows, doubles, words, halves, bytes } = viewsOf(new ArrayBuffer(count * ROW_BYTES), count);
  const ids: string[] = new Array(3 * count);
  const types: string[] = [];
  for (let n = 0; n < count; n++) {
    const message = messages[n] as Message;
    const { traceId, spanId, jobId } = message;
    doubles[n] = message.timeMs;
    doubles[count + n] = message.receivedMs;
    words[n] = message.bytes;
    words[count + n] = message.headBytes;
    words[2 * count + n] = traceId.length;
    words[3 * count + n] = spanId.length;
    words[4 * count + n] = jobId.length;
    halves[n] = indexIn(types, message.type);
    bytes[n] = message.severity;
    ids[3 * n] = traceId;
    ids[3 * n + 1] = spanId;
    ids[3 * n + 2] = jobId;
  }
  const joined = ids.join('');
  const encoded = Buffer.from(joined);
  if (encoded.length !== joined.length) measure(ids, words.subarray(2 * count));
  const sources = columnOf(messages, ({ source }) => source);
  const seqs = columnOf(messages, ({ seq }) => seq);
  return { count, sources, seqs, types, rows, ids: encoded, lines };
}

/** The messages that were packed. Throws RangeError if these are none. */
export function unpack({ count, sources, seqs, types, rows, ids, lines }: Packed): Message[] {
  // Of its own, as numbers must lie at multiples of their size.
  const own = rows.buffer.slice(rows.byteOffset, rows.byteOffset + count * ROW_BYTES) as ArrayBuffer;
  const { doubles, words, halves, bytes } = viewsOf(own, count);
  const messages: Message[] = [];
  let at = 0;
  let idAt = 0;
  const nextId = (length = 0) => {
    idAt += length;
    return length === 0 ? '' : ids.toString('utf8', idAt - length, idAt);
  };
  for (let n = 0; n < count; n++) {
    const end = at + (words[n] as number);
    messages.push(
      messageIn(lines, at, end, words[count + n] as number, {
        source: cell(sources, n),
        type: types[halves[n] as number] as string,
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
  return messages;
}

function viewsOf(buffer: ArrayBuffer, count: number) {
  const wordsAt = 8 * DOUBLES * count;
  const halvesAt = wordsAt + 4 * WORDS * count;
  const bytesAt = halvesAt + 2 * HALVES * count;
  return {
    rows: Buffer.from(buffer),
    doubles: new Float64Array(buffer, 0, DOUBLES * count),
    words: new Uint32Array(buffer, wordsAt, WORDS * count),
    halves: new Uint16Array(buffer, halvesAt, HALVES * count),
    bytes: new Uint8Array(buffer, bytesAt, count),
  };
}

/** There are five types that the sidecar knows, and whatever else programs send. */
function indexIn(types: string[], type: string): number {
  const at = types.indexOf(type);
  return at >= 0 ? at : types.push(type) - 1;
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
