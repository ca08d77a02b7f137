import { EMPTY, type Observable, type SchedulerLike, type Subscription } from 'rxjs';
import { type Batch, createBatch } from '../../src/batch.ts';
import type { BatchReason, Log } from '../../src/context.ts';
import { type DeadLetters, memoryDeadLetters } from '../../src/deliver/dead-letters.ts';
import type { DeliverContext, LaneOptions } from '../../src/deliver/lane.ts';
import type { Delivery, Outcome } from '../../src/deliver/outcome.ts';
import type { MergeLimits, Sink, Target } from '../../src/deliver/sink.ts';
import { createMessage, type Message, type Messages } from '../../src/message.ts';

const made = new Map<string, Message>();

/**
 * A message whose `bytes` are exactly `bytes` (at least 100) and whose id ends in `n`. The same for the same arguments:
 * the place of a message's text is not part of what it says.
 */
export function message(n: number, over: Partial<Message> & { bytes?: number } = {}): Message {
  const key = JSON.stringify([n, over]);
  const known = made.get(key) ?? freshMessage(n, over);
  made.set(key, known);
  return known;
}

/** The same, made anew. */
export function freshMessage(n: number, over: Partial<Message> & { bytes?: number } = {}): Message {
  const { bytes = 100, ...fields } = over;
  const type = fields.type ?? 'event';
  const source = fields.source ?? 's';
  const id = `00000000-0000-7000-8000-${String(n).padStart(12, '0')}`;
  const unpadded = createMessage({ ...EMPTY_FIELDS, id, head: `{"n":${n}` }).bytes;
  const pad = bytes > unpadded ? ' '.repeat(bytes - unpadded) : '';
  return createMessage({
    ...EMPTY_FIELDS,
    parsed: { n },
    ...fields,
    id,
    type,
    source,
    head: `{${pad}"n":${n}`,
  });
}

const EMPTY_FIELDS = {
  id: '',
  source: 's',
  type: 'event',
  timeMs: 0,
  receivedMs: 0,
  traceId: '',
  spanId: '',
  jobId: '',
  seq: 0,
  severity: 3,
  head: '{',
  tail: '',
  parsed: {},
};

/** The number a message was made with. */
export const numberOf = ({ id }: Message): number => Number(id.slice(24));

export const numbersOf = (messages: Messages): number[] => messages.map(numberOf);

export function batch(messages: readonly Message[], reason: BatchReason = 'count'): Batch {
  return createBatch(
    messages,
    messages.reduce((sum, { bytes }) => sum + bytes, 0),
    reason,
  );
}

export interface DeliveryFields {
  backend?: string;
  target?: string;
  priority?: number;
  whenFull?: Delivery['whenFull'];
  reason?: BatchReason;
}

/** A delivery of these messages, or of events numbered so. */
export function delivery(of: readonly (Message | number)[], fields: DeliveryFields = {}): Delivery {
  const { backend = 'b', target = 't', priority = 0, whenFull = 'shed', reason = 'count' } = fields;
  const messages = of.map((one) => (typeof one === 'number' ? message(one) : one));
  return {
    kind: 'delivery',
    backend,
    batch: batch(messages, reason),
    target: { key: target },
    priority,
    whenFull,
  };
}

export interface LogLine {
  readonly level: keyof Log;
  readonly fields: Record<string, unknown>;
  readonly text: string;
}

export function recordingLog(): Log & { readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const at = (level: keyof Log) => (fields: object, text: string) => {
    lines.push({ level, fields: { ...fields }, text });
  };
  return { lines, debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') };
}

const ignore = () => {};

export interface TestContext extends DeliverContext {
  readonly log: ReturnType<typeof recordingLog>;
  readonly deadLetters: ReturnType<typeof memoryDeadLetters>;
}

export function testContext(scheduler: SchedulerLike, random: () => number = () => 1): TestContext {
  const counters = {
    received: ignore,
    rejected: ignore,
    batched: ignore,
    added: ignore,
    operatorFailed: ignore,
  };
  return { scheduler, random, counters, log: recordingLog(), deadLetters: memoryDeadLetters() };
}

/** A context whose dead letters cannot be written. */
export function withoutDisk(context: TestContext): DeliverContext {
  const deadLetters: DeadLetters = { ...context.deadLetters, write: () => false };
  return { ...context, deadLetters };
}

export interface Sent {
  readonly ms: number;
  readonly target: string;
  readonly numbers: readonly number[];
}

export interface FakeSink extends Sink {
  readonly sends: Sent[];
  /** When `close` was called. */
  readonly closedMs: number[];
}

/** A sink that answers with `answer` and remembers what it was asked. Merges nothing unless told. */
export function fakeSink(
  scheduler: SchedulerLike,
  answer: (batch: Batch, target: Target, nth: number) => Observable<unknown>,
  merge: MergeLimits = { maxMessages: 1, maxBytes: 1 },
  close: () => Observable<never> = () => EMPTY,
): FakeSink {
  const sends: Sent[] = [];
  const closedMs: number[] = [];
  return {
    sends,
    closedMs,
    merge,
    address: () => ({ perMessage: false, target: () => ({ key: 't' }) }),
    send: (sent, target) => {
      sends.push({ ms: scheduler.now(), target: target.key, numbers: numbersOf(sent.messages) });
      return answer(sent, target, sends.length);
    },
    close: () => {
      closedMs.push(scheduler.now());
      return close();
    },
  };
}

/** No bound, no patience, no jitter: what a test does not speak of. */
export const OPTIONS: LaneOptions = {
  queueMaxBytes: 1_000_000,
  concurrency: 1,
  sendTimeoutMs: 1000,
  retry: { initialMs: 10, maxMs: 1000, maxAttempts: Number.POSITIVE_INFINITY },
  breaker: { failures: 5, resetAfterMs: 100 },
};

/** `delivered ok 1,2`, one line an outcome. */
export function outcomeLines(outcomes: readonly Outcome[]): string[] {
  return outcomes.map(({ ending, reason, messages }) => `${ending} ${reason} ${numbersOf(messages)}`);
}

/** Collects what a stream emits. */
export function collect<T>(value$: Observable<T>): T[] & { done?: boolean; subscription?: Subscription } {
  const values: T[] & { done?: boolean; subscription?: Subscription } = [];
  values.subscription = value$.subscribe({
    next: (value) => {
      values.push(value);
    },
    complete: () => {
      values.done = true;
    },
  });
  return values;
}
