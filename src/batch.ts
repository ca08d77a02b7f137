import { map, type Observable, type OperatorFunction, tap } from 'rxjs';
import type { BatchReason, Context } from './context.ts';
import { type BatchLimits, batchByKey } from './flow/batch-by-key.ts';
import type { Message } from './message.ts';
import { gatherLines } from './message-text.ts';

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
  /** @internal What it was merged from; `undefined`: nothing. */
  readonly parts: readonly Batch[] | undefined;
  /** @internal Its NDJSON, which has the messages' text; of a merged batch, once somebody asked. */
  ndjson: Buffer | undefined;
}

/** Batches messages by source; a critical one (`isUrgent`), or `hurry$`, sends its source's batch at once. */
export const batch =
  (
    limits$: Observable<BatchLimits<Message>>,
    { scheduler, counters, journal }: Context,
    hurry$?: Observable<string>,
  ): OperatorFunction<Message, Batch> =>
  (message$) =>
    message$.pipe(
      batchByKey({
        key: (message) => message.source,
        bytes: (message) => message.bytes,
        limits$,
        hurry$,
        onOpen: journal?.batching,
        scheduler,
      }),
      map(({ items, bytes, reason }) => createBatch(items, bytes, reason)),
      tap(({ id, reason, messages }) => {
        counters.batched(reason, messages.length);
        journal?.note({ kind: 'batched', batch: id, reason, size: messages.length }, messages);
      }),
    );

const EMPTY = 'a batch has at least one message';

/** Builds a batch of at least one message; their text moves to a buffer of the batch. */
export function createBatch(messages: readonly Message[], bytes: number, reason: BatchReason): Batch {
  const first = messages[0];
  if (first === undefined) throw new RangeError(EMPTY);
  return {
    id: idOf(messages),
    source: first.source,
    messages,
    bytes,
    reason,
    parts: undefined,
    ndjson: gatherLines(messages),
  };
}

/** A batch whose messages have their lines in `ndjson`, one after the other. Throws as `createBatch` does. */
export function restoreBatch(
  messages: readonly Message[],
  ndjson: Buffer,
  source: string,
  reason: BatchReason,
): Batch {
  if (messages.length === 0) throw new RangeError(EMPTY);
  return { id: idOf(messages), source, messages, bytes: ndjson.length, reason, parts: undefined, ndjson };
}

/** Merges batches of one target, in order; a single batch is returned as it is. */
export function mergeBatches(batches: readonly Batch[]): Batch {
  const [first, ...rest] = batches;
  if (first === undefined) throw new RangeError('nothing to merge');
  if (rest.length === 0) return first;
  const messages = concatenated(batches);
  return {
    id: idOf(messages),
    source: rest.every((batch) => batch.source === first.source) ? first.source : '',
    messages,
    bytes: batches.reduce((sum, batch) => sum + batch.bytes, 0),
    reason: first.reason,
    parts: batches,
    ndjson: undefined,
  };
}

/** More arguments than about 100,000 would not fit on the stack. */
const MAX_ARGUMENTS = 10_000;

function concatenated(batches: readonly Batch[]): Message[] {
  let messages: Message[] = [];
  for (let at = 0; at < batches.length; at += MAX_ARGUMENTS) {
    // concat copies whole arrays; flatMap would take each message in hand.
    messages = messages.concat(...batches.slice(at, at + MAX_ARGUMENTS).map((batch) => batch.messages));
  }
  return messages;
}

const idOf = (messages: readonly Message[]) => `${messages[0]?.id}-${messages.length}`;

/** The batch as NDJSON, UTF-8, every line ended by LF. */
export function ndjsonOf(batch: Batch): Buffer {
  batch.ndjson ??= Buffer.concat((batch.parts ?? []).map(ndjsonOf));
  return batch.ndjson;
}

/** The same in the pieces that are in memory, which are not copied: those of the batches that it was merged from. */
export function* linesOf(batch: Batch): Generator<Buffer> {
  if (batch.parts === undefined) yield ndjsonOf(batch);
  else for (const part of batch.parts) yield* linesOf(part);
}
