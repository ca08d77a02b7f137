import { type Batch, createBatch, ndjsonOf } from '../../batch.ts';
import type { BatchReason } from '../../context.ts';
import { type Message, messageIn } from '../../message.ts';
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
  readonly stored: boolean;
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
  /** Bytes of the lines, and of the sender's text in them. */
  readonly lines: Column<number>;
  readonly heads: Column<number>;
}

const LENGTH_BYTES = 4;

/** An item as bytes, `stored` if it will be synced: length of its head, the head as JSON, then the batch's NDJSON, which is shared with the sinks. */
export function encodeItem(item: Item, stored: boolean): Buffer[] {
  const { batch, target, priority, whenFull, offeredMs, sends, failures } = item;
  const { messages, source, reason } = batch;
  const column = <T>(of: (message: Message) => T): Column<T> => columnOf(messages, of);
  const head: Head = {
    ...{ source, reason, target, priority, whenFull, offeredMs, sends, failures, stored },
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
    lines: column((message) => message.bytes),
    heads: column((message) => message.headBytes),
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
  const { source, reason, target, priority, whenFull, offeredMs, sends, failures, stored } = head;
  const messages = messagesOf(head, payload.subarray(bodyAt));
  const bytes = messages.reduce((sum, message) => sum + message.bytes, 0);
  // This is where the text moves to memory of its own.
  const batch: Batch = { ...createBatch(messages, bytes, reason), source };
  return { batch, target, priority, whenFull, offeredMs, sends, failures, stored };
}

function messagesOf(head: Head, text: Buffer): readonly Message[] {
  const messages: Message[] = [];
  let at = 0;
  for (let n = 0; n < head.count; n++) {
    const end = at + cell(head.lines, n);
    messages.push(
      messageIn(text, at, end, cell(head.heads, n), {
        source: cell(head.sources, n),
        type: cell(head.types, n),
        timeMs: cell(head.times, n),
        receivedMs: cell(head.received, n),
        traceId: cell(head.traces, n),
        spanId: cell(head.spans, n),
        jobId: cell(head.jobs, n),
        seq: cell(head.seqs, n),
        severity: cell(head.severities, n),
      }),
    );
    at = end;
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
