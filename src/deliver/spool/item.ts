import { type Batch, createBatch, ndjsonOf } from '../../batch.ts';
import type { BatchReason } from '../../context.ts';
import { createMessage, type Message } from '../../message.ts';
import type { Job } from '../job.ts';
import type { Target } from '../sink.ts';

/** What the spool keeps of a job. */
export type Item = Omit<Job, 'order' | 'spooled'>;

/** A value for each message; one that is the same for all is written once. */
type Column<T> = T | readonly T[];

interface Head {
  readonly source: string;
  readonly reason: BatchReason;
  readonly target: Target;
  readonly priority: number;
  readonly whenFull: Job['whenFull'];
  readonly offeredMs: number;
  readonly sends: number;
  readonly failures: number;
  readonly count: number;
  readonly sources: Column<string>;
  readonly types: Column<string>;
  readonly times: Column<number>;
  readonly received: Column<number>;
  readonly traces: Column<string>;
  readonly spans: Column<string>;
  readonly jobs: Column<string>;
  readonly seqs: Column<number>;
  readonly severities: Column<number>;
  /** Lengths of the sender's text and of the sidecar's members, in UTF-16 code units. */
  readonly heads: Column<number>;
  readonly tails: Column<number>;
}

const LENGTH_BYTES = 4;
const BEFORE_ID = ',"id":"'.length;
/** `","received_at":"`, 24 characters of time, `"`. */
const AFTER_ID = 17 + 24 + 1;
/** `}` and LF. */
const LINE_END = 2;

/** An item as bytes: length of its head, the head as JSON, then the batch's NDJSON, which is shared with the sinks. */
export function encodeItem(item: Item): Buffer[] {
  const { batch, target, priority, whenFull, offeredMs, sends, failures } = item;
  const { messages, source, reason } = batch;
  const column = <T>(of: (message: Message) => T): Column<T> => columnOf(messages, of);
  const head: Head = {
    ...{ source, reason, target, priority, whenFull, offeredMs, sends, failures },
    count: messages.length,
    sources: column((message) => message.source),
    types: column((message) => message.type),
    times: column((message) => message.timeMs),
    received: column((message) => message.receivedMs),
    traces: column((message) => message.traceId),
    spans: column((message) => message.spanId),
    jobs: column((message) => message.jobId),
    seqs: column((message) => message.seq),
    severities: column((message) => message.severity),
    heads: column((message) => message.head.length),
    tails: column((message) => message.tail.length),
  };
  const json = Buffer.from(JSON.stringify(head));
  const length = Buffer.allocUnsafe(LENGTH_BYTES);
  length.writeUInt32LE(json.length);
  return [length, json, ndjsonOf(batch)];
}

/** The item that was encoded, in memory of its own. Throws if it is none. */
export function decodeItem(payload: Buffer): Item {
  const bodyAt = LENGTH_BYTES + payload.readUInt32LE(0);
  const head = JSON.parse(payload.toString('utf8', LENGTH_BYTES, bodyAt)) as Head;
  const { source, reason, target, priority, whenFull, offeredMs, sends, failures } = head;
  const messages = messagesOf(head, payload.toString('utf8', bodyAt));
  const bytes = messages.reduce((sum, message) => sum + message.bytes, 0);
  const ndjson = Buffer.from(payload.subarray(bodyAt));
  const batch: Batch = { ...createBatch(messages, bytes, reason), source, ndjson };
  return { batch, target, priority, whenFull, offeredMs, sends, failures };
}

function messagesOf(head: Head, text: string): readonly Message[] {
  const messages: Message[] = [];
  let at = 0;
  for (let n = 0; n < head.count; n++) {
    const idAt = at + cell(head.heads, n) + BEFORE_ID;
    const idEnd = text.indexOf('"', idAt);
    const tailAt = idEnd + AFTER_ID;
    const tailEnd = tailAt + cell(head.tails, n);
    if (text[tailEnd] !== '}') throw new RangeError('not a line of its batch');
    messages.push(
      createMessage({
        id: text.slice(idAt, idEnd),
        source: cell(head.sources, n),
        type: cell(head.types, n),
        timeMs: cell(head.times, n),
        receivedMs: cell(head.received, n),
        traceId: cell(head.traces, n),
        spanId: cell(head.spans, n),
        jobId: cell(head.jobs, n),
        seq: cell(head.seqs, n),
        severity: cell(head.severities, n),
        head: text.slice(at, idAt - BEFORE_ID),
        tail: text.slice(tailAt, tailEnd),
        parsed: undefined,
      }),
    );
    at = tailEnd + LINE_END;
  }
  return messages;
}

function columnOf<T>(messages: readonly Message[], of: (message: Message) => T): Column<T> {
  const values = messages.map(of);
  const [first] = values;
  return first !== undefined && values.every((value) => value === first) ? first : values;
}

const cell = <T>(column: Column<T>, n: number): T =>
  Array.isArray(column) ? ((column as readonly T[])[n] as T) : (column as T);
