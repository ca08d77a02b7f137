import { expect } from '@jest/globals';
import { Observable, type SchedulerLike } from 'rxjs';
import { type RunHelpers, TestScheduler } from 'rxjs/testing';
import { type Batch, createBatch } from '../../src/batch.ts';
import type { BatchReason, Context } from '../../src/context.ts';
import type { Outcome } from '../../src/deliver/outcome.ts';
import { createMessage, type JsonObject, type Message, severityOf } from '../../src/message.ts';
import { type Chain, type ChainOperator, createChain } from '../../src/route/chain.ts';
import type { Operator, OperatorContext } from '../../src/route/operator.ts';

/** A message as the normaliser makes it of `record`; `name` is its id. */
export function messageOf(name: string, record: JsonObject = {}, over: Partial<Message> = {}): Message {
  const whole = { source: 's', type: 'event', data: {}, ...record };
  const text = (key: string) => (typeof whole[key as 'source'] === 'string' ? String(whole[key as 'source']) : '');
  const { level } = whole.data as { level?: unknown };
  return createMessage({
    id: name,
    source: whole.source,
    type: whole.type,
    timeMs: 0,
    receivedMs: 0,
    traceId: text('trace_id'),
    spanId: text('span_id'),
    jobId: text('job_id'),
    seq: 0,
    severity: whole.type === 'event' && typeof level === 'string' ? severityOf(level) : 0,
    head: JSON.stringify(whole).slice(0, -1),
    tail: '',
    parsed: undefined,
    ...over,
  });
}

export const batchOf = (messages: readonly Message[], reason: BatchReason = 'count'): Batch =>
  createBatch(
    messages,
    messages.reduce((sum, { bytes }) => sum + bytes, 0),
    reason,
  );

/** A batch of one message a letter. */
export const letters = (text: string, source = 's') => batchOf([...text].map((name) => messageOf(name, { source })));

export const namesOf = (messages: readonly Message[]) => messages.map(({ id }) => id).join('');

export interface Recording extends Context {
  /** What was logged, `level: message`. */
  readonly logged: string[];
  /** Files of failed operators. */
  readonly failures: string[];
  /** Messages counted as added. */
  added: number;
}

export function recordingContext(scheduler: SchedulerLike): Recording {
  const log = (level: string) => (_: object, text: string) => recording.logged.push(`${level}: ${text}`);
  const unused = () => {
    throw new Error('not for operators');
  };
  const recording: Recording = {
    scheduler,
    random: () => 0.5,
    logged: [],
    failures: [],
    added: 0,
    log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    counters: {
      received: unused,
      rejected: unused,
      batched: unused,
      added: (_, count) => {
        recording.added += count;
      },
      operatorFailed: (file) => recording.failures.push(file),
    },
  };
  return recording;
}

export const operatorContext = (scheduler: SchedulerLike, name = 'test'): OperatorContext & Recording =>
  Object.assign(recordingContext(scheduler), { name, holding: () => {} });

/** An operator as if loaded from `<name>.ts`. */
export const use = (name: string, operator: Operator<never>, options: object = {}): ChainOperator => ({
  loaded: { name, file: `/pipelines/${name}.ts`, hash: name, operator: operator as Operator },
  options,
});

/** `abc` for a batch (`abc@t` of source t), `filtered operator:x abc` for an outcome. */
export function describeResult(result: Batch | Outcome): string {
  if ('kind' in result) return `${result.ending} ${result.reason} ${namesOf(result.messages)}`;
  return result.source === 's' ? namesOf(result.messages) : `${namesOf(result.messages)}@${result.source}`;
}

export interface Rig {
  readonly chain: Chain;
  readonly context: Recording;
  /** What the chain gives for `batch$`, described; once that completes, the chain drains. */
  readonly result$: Observable<string>;
}

/** A chain of `operators` fed by `batch$`. */
export function rig(
  scheduler: SchedulerLike,
  operators: readonly ChainOperator[],
  batch$: Observable<Batch>,
  drainMs = 1000,
): Rig {
  const context = recordingContext(scheduler);
  const chain = createChain({ operators, backend: 'b', rule: 'routing.s[0]' }, context);
  const result$ = new Observable<string>((subscriber) => {
    chain.attach((result) => subscriber.next(describeResult(result)));
    return batch$.subscribe({
      next: (batch) => chain.push(batch),
      complete: () => subscriber.add(chain.drain(drainMs).subscribe(subscriber)),
    });
  });
  return { chain, context, result$ };
}

/** Runs `body` in virtual time. */
export function virtually(body: (helpers: RunHelpers, scheduler: TestScheduler) => void): void {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  scheduler.run((helpers) => body(helpers, scheduler));
}
