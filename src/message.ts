/** Parsed JSON. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export interface JsonObject {
  readonly [key: string]: Json | undefined;
}

/**
 * One telemetry record. Built by `createMessage` with every key present (one hidden class) and never mutated.
 * Absent ids are `''`, an absent `seq` is 0. `data` and the JSON text are read through `dataOf`, `recordOf`
 * and `jsonOf`, never through the three private fields.
 */
export interface Message {
  /** UUIDv7 (RFC 9562), unique and ordered by arrival. */
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
  /** Length of the delivered JSON line in characters (bytes, for ASCII); the unit of every bound. */
  readonly bytes: number;
  /** @internal The sender's JSON text without its closing brace. */
  readonly head: string;
  /** @internal Members that the sidecar adds after `id` and `received_at`: `''` or `,"k":v…`. */
  readonly tail: string;
  /** @internal The sender's record, parsed once somebody asked; `recordOf` fills it in. */
  parsed: JsonObject | undefined;
}

/** What `createMessage` needs: a message without what it derives. */
export type MessageFields = Omit<Message, 'bytes'>;

/** Length of `,"id":"<uuid>","received_at":"<24 characters>"}` and LF. */
const SPLICED_LENGTH = 6 + 38 + 15 + 26 + 2;

/** Builds a message. The only place where one is made, so that all share one hidden class. */
export function createMessage(f: MessageFields): Message {
  return {
    id: f.id,
    source: f.source,
    type: f.type,
    timeMs: f.timeMs,
    receivedMs: f.receivedMs,
    traceId: f.traceId,
    spanId: f.spanId,
    jobId: f.jobId,
    seq: f.seq,
    severity: f.severity,
    bytes: f.head.length + f.tail.length + SPLICED_LENGTH,
    head: f.head,
    tail: f.tail,
    parsed: f.parsed,
  };
}

const NO_DATA: JsonObject = Object.freeze({});

/** The record's `data`; `{}` where the sender sent none. */
export function dataOf(message: Message): JsonObject {
  return (recordOf(message).data as JsonObject | undefined) ?? NO_DATA;
}

/** The record as its sender sent it, parsed; free for whoever never asks. */
export function recordOf(message: Message): JsonObject {
  message.parsed ??= JSON.parse(`${message.head}}`) as JsonObject;
  return message.parsed;
}

/** The delivered JSON text: the sender's own text with the sidecar's members spliced in; no newline. */
export function jsonOf(message: Message): string {
  return `${message.head},"id":"${message.id}","received_at":"${isoTime(message.receivedMs)}"${message.tail}}`;
}

/** A copy of `message` with other `data`; everything else, the id included, stays. For operators. */
export function withData(message: Message, data: JsonObject): Message {
  const parsed = { ...recordOf(message), data };
  return createMessage({ ...message, parsed, head: JSON.stringify(parsed).slice(0, -1) });
}

/** A copy of `message` linked to a job and a trace, with the members (`,"k":v`) that say so in its JSON text. */
export function withIds(message: Message, jobId: string, traceId: string, members: string): Message {
  return {
    id: message.id,
    source: message.source,
    type: message.type,
    timeMs: message.timeMs,
    receivedMs: message.receivedMs,
    traceId,
    spanId: message.spanId,
    jobId,
    seq: message.seq,
    severity: message.severity,
    bytes: message.bytes + members.length,
    head: message.head,
    tail: message.tail + members,
    parsed: message.parsed,
  };
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

const LEVELS: Readonly<Record<string, number>> = Object.assign(Object.create(null), {
  trace: 1,
  verbose: 1,
  debug: 2,
  info: 3,
  information: 3,
  notice: 3,
  warn: 4,
  warning: 4,
  error: 5,
  err: 5,
  fatal: 6,
  critical: 6,
  crit: 6,
  alert: 6,
  emerg: 6,
  emergency: 6,
  panic: 6,
});

/** Rank of a level or one of its aliases (any case): 1 trace … 6 fatal, 0 unknown. */
export function severityOf(level: string): number {
  return LEVELS[level] ?? LEVELS[level.toLowerCase()] ?? 0;
}
