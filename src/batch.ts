import { map, type Observable, type OperatorFunction, tap } from 'rxjs';
import type { BatchReason, Context } from './context.ts';
import { type BatchLimits, batchByKey } from './flow/batch-by-key.ts';
import { jsonOf, type Message } from './message.ts';

/** Messages that are routed, sent, retried and counted as one. Never empty, never mutated. */
export interface Batch {
  /** Deterministic: made of the first message's id and the count. */
  readonly id: string;
  /** The one source of all messages; `''` once a lane has merged batches of several. */
  readonly source: string;
  readonly messages: readonly Message[];
  /** Sum of the messages' `bytes`. */
  readonly bytes: number;
  readonly reason: BatchReason;
}

/** Batches messages by source; a critical one (`isUrgent`) sends its source's batch at once. */
export const batch =
  (
    limits$: Observable<BatchLimits<Message>>,
    { scheduler, counters }: Context,
  ): OperatorFunction<Message, Batch> =>
  (message$) =>
    message$.pipe(
      batchByKey({
        key: (message) => message.source,
        bytes: (message) => message.bytes,
        limits$,
        scheduler,
      }),
      map(({ items, bytes, reason }) => createBatch(items, bytes, reason)),
      tap(({ reason, messages }) => counters.batched(reason, messages.length)),
    );

/** Builds a batch of at least one message. */
export function createBatch(messages: readonly Message[], bytes: number, reason: BatchReason): Batch {
  const first = messages[0];
  if (first === undefined) throw new RangeError('a batch has at least one message');
  return { id: `${first.id}-${messages.length}`, source: first.source, messages, bytes, reason };
}

/** Merges batches of one target, in order; a single batch is returned as it is. */
export function mergeBatches(batches: readonly Batch[]): Batch {
  const [first, ...rest] = batches;
  if (first === undefined) throw new RangeError('nothing to merge');
  if (rest.length === 0) return first;
  const messages = batches.flatMap((batch) => batch.messages);
  const bytes = batches.reduce((sum, batch) => sum + batch.bytes, 0);
  const source = rest.every((batch) => batch.source === first.source) ? first.source : '';
  const merged: Batch = {
    id: `${first.id.slice(0, 36)}-${messages.length}`,
    source,
    messages,
    bytes,
    reason: first.reason,
  };
  parts.set(merged, batches);
  return merged;
}

const parts = new WeakMap<Batch, readonly Batch[]>();
const encoded = new WeakMap<Batch, Buffer>();

/** The batch as NDJSON, UTF-8, every line ended by LF. Encoded once, however many sinks ask. */
export function ndjsonOf(batch: Batch): Buffer {
  let bytes = encoded.get(batch);
  if (bytes === undefined) {
    const merged = parts.get(batch);
    bytes = merged ? Buffer.concat(merged.map(ndjsonOf)) : encode(batch.messages);
    encoded.set(batch, bytes);
  }
  return bytes;
}

function encode(messages: readonly Message[]): Buffer {
  let text = '';
  for (const message of messages) text += `${jsonOf(message)}\n`;
  return Buffer.from(text);
}
