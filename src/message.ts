import {
  addAll,
  addBytes,
  addText,
  arenaBuffer,
  arenaEnd,
  endLine,
  mostBytes,
  reopenLine,
  startLine,
} from './arena.ts';
import { NO_TICKET } from './scanned.ts';
import { UNBOXED } from './unboxed.ts';

/** Parsed JSON. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/**
 * One telemetry record. Built by `createMessage` with every key present (one hidden class) and never mutated, but that
 * its text may move. Absent ids are `''`, an absent `seq` is 0. `data` and the JSON text are read through `dataOf`,
 * `recordOf` and `jsonOf`, never through the internal fields.
 */
export interface Message {
  /** UUIDv7 (RFC 9562), unique and ordered by arrival; of a session's record UUIDv8, the same whenever it is sent. */
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** The record's own time, epoch milliseconds. */
  readonly timeMs: number;
  /** When the sidecar read it, epoch milliseconds. */
  readonly receivedMs: number;
  readonly traceId: string;
  readonly spanId: string;
  readonly jobId: string;
  readonly seq: number;
  /** Rank of an event's level: 0 none, 1 trace, 2 debug, 3 info, 4 warn, 5 error, 6 fatal. */
  readonly severity: number;
  /** Length of its line, the delivered JSON and LF, in bytes of UTF-8; the unit of every bound. */
  readonly bytes: number;
  /** @internal The part of the line that is the sender's own text; it lacks its closing brace. */
  readonly headBytes: number;
  /** @internal Has the line, from `start` on. What owns a batch has its lines in a buffer of its own. */
  text: Buffer;
  /** @internal */
  start: number;
  /** @internal The sender's record, parsed once somebody asked; `recordOf` fills it in. */
  parsed: JsonObject | undefined;
  /** @internal Of what was `scanned`, while nothing else is. */
  readonly ticket: number;
  /** @internal Its copy that no batch moves, once somebody asked; `ownCopyOf` fills it in. */
  ownCopy: Message | undefined;
}

/**
 * Messages in order: an array of them, or what makes them once somebody looks, which may be possible only at once.
 * To ask for `length`, or for one by `at`, does not make them all.
 */
export interface Messages extends Iterable<Message> {
  readonly length: number;
  at(position: number): Message | undefined;
  filter(matches: (message: Message) => boolean): Message[];
  map<T>(of: (message: Message) => T): T[];
  some(matches: (message: Message) => boolean): boolean;
}

/** What is known of a message beside its text. */
export type Envelope = Omit<
  Message,
  'bytes' | 'headBytes' | 'text' | 'start' | 'parsed' | 'ticket' | 'ownCopy'
>;

/** What `createMessage` needs. */
export interface MessageFields extends Envelope {
  /** The sender's JSON text without its closing brace. */
  readonly head: string;
  /** Members that the sidecar adds after `id` and `received_at`: `''` or `,"k":v…`. Default `''`. */
  readonly tail?: string;
  /** What `head` says, if that is known. */
  readonly parsed?: JsonObject | undefined;
}

/** Builds a message of its sender's text. */
export function createMessage(fields: MessageFields): Message {
  const { id, receivedMs, head, tail = '', parsed } = fields;
  const added = `,"id":"${id}","received_at":"${isoTime(receivedMs)}"${tail}`;
  const start = startLine(mostBytes(head) + mostBytes(added) + ENDING_BYTES);
  addText(head);
  const headBytes = arenaEnd() - start;
  addText(added);
  endLine();
  return messageOf(fields, id, start, headBytes, parsed);
}

/** Brace and LF. */
export const ENDING_BYTES = 2;

/** The message whose line was written last. The only place where one is made, so that all share one hidden class. */
export function messageOf(
  e: Omit<Envelope, 'id'>,
  id: string,
  start: number,
  headBytes: number,
  parsed: JsonObject | undefined,
  ticket = NO_TICKET,
): Message {
  return {
    id,
    source: e.source,
    type: e.type,
    timeMs: e.timeMs,
    receivedMs: e.receivedMs,
    traceId: e.traceId,
    spanId: e.spanId,
    jobId: e.jobId,
    seq: e.seq,
    severity: e.severity,
    bytes: arenaEnd() - start,
    headBytes,
    text: arenaBuffer(),
    start,
    parsed,
    ticket,
    ownCopy: undefined,
  };
}

// Before all others.
messageOf(
  {
    source: '',
    type: '',
    timeMs: UNBOXED,
    receivedMs: UNBOXED,
    traceId: '',
    spanId: '',
    jobId: '',
    seq: UNBOXED,
    severity: 0,
  },
  '',
  0,
  0,
  undefined,
);

const NO_DATA: JsonObject = Object.freeze({});

/** The record's `data`; `{}` where the sender sent none. */
export function dataOf(message: Message): JsonObject {
  return (recordOf(message).data as JsonObject | undefined) ?? NO_DATA;
}

/** The record as its sender sent it, parsed; free for whoever never asks. */
export function recordOf(message: Message): JsonObject {
  if (message.parsed !== undefined) return message.parsed;
  const parsed = JSON.parse(sentTextOf(message)) as JsonObject;
  // An operator may have frozen it.
  if (!Object.isFrozen(message)) message.parsed = parsed;
  return parsed;
}

/** The record's JSON text as its sender sent it. */
export function sentTextOf({ text, start, headBytes }: Message): string {
  return `${text.toString('utf8', start, start + headBytes)}}`;
}

/** Whether a pattern of ASCII is in the record's JSON text as its sender sent it; what is escaped there is not seen. */
export function sentHas({ text, start, headBytes }: Message, pattern: RegExp): boolean {
  return pattern.test(text.toString('latin1', start, start + headBytes));
}

/** `,"id":"`, `","received_at":"`, 24 characters of time, `"`. */
const BEFORE_ID = 7;
const AFTER_ID = 17 + 24 + 1;

/** The members that the sidecar added after `id` and `received_at`, as JSON text: `''` or `,"k":v…`. */
export function addedTextOf({ text, start, bytes, headBytes, id }: Message): string {
  return text.toString(
    'utf8',
    start + headBytes + BEFORE_ID + id.length + AFTER_ID,
    start + bytes - ENDING_BYTES,
  );
}

/** A message whose line, from `start` to `end` of `text`, was kept elsewhere. Throws RangeError if it is none. */
export function messageIn(
  text: Buffer,
  start: number,
  end: number,
  headBytes: number,
  e: Omit<Envelope, 'id'>,
): Message {
  const idStart = start + headBytes + BEFORE_ID;
  const idEnd = text.indexOf('"', idStart);
  if (idEnd < idStart || idEnd >= end || text.toString('latin1', end - ENDING_BYTES, end) !== '}\n') {
    throw new RangeError('not the line of a message');
  }
  return {
    id: text.toString('utf8', idStart, idEnd),
    source: e.source,
    type: e.type,
    timeMs: e.timeMs,
    receivedMs: e.receivedMs,
    traceId: e.traceId,
    spanId: e.spanId,
    jobId: e.jobId,
    seq: e.seq,
    severity: e.severity,
    bytes: end - start,
    headBytes,
    text,
    start,
    parsed: undefined,
    ticket: NO_TICKET,
    ownCopy: undefined,
  };
}

/** The delivered JSON text: the sender's own text with the sidecar's members spliced in; no newline. */
export function jsonOf({ text, start, bytes }: Message): string {
  return text.toString('utf8', start, start + bytes - 1);
}

/** A copy of `message` with other `data`; everything else, the id included, stays. For operators. */
export function withData(message: Message, data: JsonObject): Message {
  return withRecord(message, { ...recordOf(message), data });
}

const NO_RECORD = 'withRecord and withData take an object with at least one member';

/**
 * A copy of `message` whose sender sent `record` instead; what the sidecar added, the id included, stays. Nothing but
 * the JSON text changes: fields of the envelope, such as `source`, stay what they are. Throws TypeError
 * for what is no record. For operators.
 */
export function withRecord(message: Message, record: JsonObject): Message {
  return withText(message, JSON.stringify(record) ?? '', record);
}

/** `withRecord` for a record whose JSON text is at hand; it is parsed if it is asked for and not given. */
export function withText(message: Message, json: string, record: JsonObject | undefined): Message {
  if (json[0] !== '{' || json === '{}') throw new TypeError(NO_RECORD);
  const head = json.slice(0, -1);
  const { text, start, bytes, headBytes } = message;
  const first = startLine(mostBytes(head) + bytes - headBytes);
  addText(head);
  const newHeadBytes = arenaEnd() - first;
  addBytes(text, start + headBytes, start + bytes);
  return messageOf(message, message.id, first, newHeadBytes, record);
}

/**
 * Completes a message that only its builder has seen: names its job and trace, and adds the member (`,"k":v`) that
 * says so to its JSON text.
 */
export function linkMessage(message: Message, jobId: string, traceId: string, member: Buffer): void {
  const { text, start, bytes } = message;
  const first = reopenLine(text, start, start + bytes, member.length + ENDING_BYTES);
  addAll(member);
  endLine();
  const open = message as { -readonly [Key in keyof Message]: Message[Key] };
  open.jobId = jobId;
  open.traceId = traceId;
  open.bytes = arenaEnd() - first;
  open.text = arenaBuffer();
  open.start = first;
  open.ownCopy = undefined;
}

let lastMs = Number.NaN;
let lastIso = '';

/** `YYYY-MM-DDTHH:MM:SS.mmmZ` of epoch milliseconds; a run of equal times costs one formatting. */
export function isoTime(ms: number): string {
  if (ms !== lastMs) {
    lastIso = new Date(ms).toISOString();
    lastMs = ms;
  }
  return lastIso;
}
