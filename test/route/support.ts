import { expect, test } from '@jest/globals';
import { map, type SchedulerLike, Subscription } from 'rxjs';
import { type RunHelpers, TestScheduler } from 'rxjs/testing';
import { type Batch, createBatch } from '../../src/batch.ts';
import type { BatchReason, Context } from '../../src/context.ts';
import type { Outcome } from '../../src/deliver/outcome.ts';
import {
  createMessage,
  type JsonObject,
  type Message,
  type MessageFields,
  type Messages,
} from '../../src/message.ts';
import { type Chain, type ChainOperator, createChain } from '../../src/route/chain.ts';
import type { Operator, OperatorContext } from '../../src/route/operator.ts';
import { severityOf } from '../../src/severity.ts';

/** A message as the normaliser makes it of `record`; `name` is its id. */
export function messageOf(name: string, record: JsonObject = {}, over: Partial<MessageFields> = {}): Message {
  const whole = { source: 's', type: 'event', data: {}, ...record };
  const text = (key: string) =>
    typeof whole[key as 'source'] === 'string' ? String(whole[key as 'source']) : '';
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
export const letters = (text: string, source = 's') =>
  batchOf([...text].map((name) => messageOf(name, { source })));

export const namesOf = (messages: Messages) => messages.map(({ id }) => id).join('');

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
export const use = <O extends object>(
  name: string,
  operator: Operator<O>,
  options: object = {},
): ChainOperator => ({
  loaded: { name, file: `/pipelines/${name}.ts`, hash: name, operator: operator as unknown as Operator },
  options,
});

/** `abc` for a batch (`abc@t` of source t), `filtered operator:x abc` for an outcome. */
export function describeResult(result: Batch | Outcome): string {
  if ('kind' in result) return `${result.ending} ${result.reason} ${namesOf(result.messages)}`;
  return result.source === 's' ? namesOf(result.messages) : `${namesOf(result.messages)}@${result.source}`;
}

export interface Trial {
  /** What came out and when, `<milliseconds> <result>`; `<milliseconds> |` once the chain has drained. */
  readonly results: string[];
  readonly context: Recording;
  readonly chain: Chain;
}

export interface TrialOptions {
  readonly operators: readonly ChainOperator[];
  /** Batches by their marbles; on completion the chain drains. */
  readonly source: string;
  readonly batches: Readonly<Record<string, Batch>>;
  readonly drainMs?: number;
  /** When the results are unsubscribed. */
  readonly until?: string;
  /** Is called at each of these milliseconds. */
  readonly at?: Readonly<Record<number, (chain: Chain) => void>>;
}

/** Runs batches through a chain in virtual time. */
export function tryChain({
  operators,
  source,
  batches,
  drainMs = 1000,
  until = '',
  at = {},
}: TrialOptions): Trial {
  const scheduler = new TestScheduler(() => {});
  const context = recordingContext(scheduler);
  const chain = createChain({ operators, backend: 'b', rule: 'routing.s[0]' }, context);
  const results: string[] = [];
  const note = (result: string) => results.push(`${scheduler.now()} ${result}`);
  scheduler.run(({ hot, cold }) => {
    const batch$ = hot(source, batches);
    chain.attach((result) => note(describeResult(result)));
    for (const [ms, call] of Object.entries(at)) scheduler.schedule(() => call(chain), Number(ms));
    const all = new Subscription();
    all.add(
      batch$.subscribe({
        next: (batch) => chain.push(batch),
        complete: () => all.add(chain.drain(drainMs).subscribe({ complete: () => note('|') })),
      }),
    );
    if (until !== '') cold(until).subscribe({ complete: () => all.unsubscribe() });
  });
  return { results, context, chain };
}

/** Runs `body` in virtual time. */
export function virtually(body: (helpers: RunHelpers, scheduler: TestScheduler) => void): void {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  scheduler.run((helpers) => body(helpers, scheduler));
}

/** `operator` with options as a rule would write them, for messages given as marbles. */
export function built<O extends object>(operator: Operator<O>, options: object, context: OperatorContext) {
  const checked = operator.options === undefined ? (options as O) : operator.options.parse(options);
  return operator(checked, context);
}

/** The cases that every operator owes, for messages that it lets pass at once. */
export function testsOfEveryOperator<O extends object>(operator: Operator<O>, options: object): void {
  const a = messageOf('a', { data: { n: 1 } });
  const b = messageOf('b', { data: { n: 2 } });

  test.each([
    { name: 'never', source: '---', expected: '---', subscribed: '^--------!' },
    { name: 'empty', source: '--|', expected: '--|', subscribed: '^-!' },
    { name: 'one', source: '-a-|', expected: '-a-|', subscribed: '^--!' },
    { name: 'many', source: '(ab)-|', expected: '(ab)-|', subscribed: '^----!' },
    { name: 'a stream error', source: '-a-#', expected: '-a-#', subscribed: '^--!' },
    { name: 'early unsubscription', source: '-a-------b--', expected: '-a-------', subscribed: '^--------!' },
  ])('$name', ({ source, expected, subscribed }) => {
    virtually(({ cold, expectObservable, expectSubscriptions }, scheduler) => {
      const source$ = cold(source, { a, b });
      const operated$ = source$.pipe(built(operator, options, operatorContext(scheduler)));
      const result$ = operated$.pipe(
        map((message) => (message === a ? 'a' : message === b ? 'b' : 'changed')),
      );
      expectObservable(result$, '---------!').toBe(expected);
      expectSubscriptions(source$.subscriptions).toBe(subscribed);
    });
  });

  test('state is per subscription, not per operator', () => {
    virtually(({ cold, expectObservable }, scheduler) => {
      const operate = built(operator, options, operatorContext(scheduler));
      for (const _ of [1, 2]) {
        expectObservable(
          cold('a|', { a }).pipe(
            operate,
            map(({ id }) => id),
          ),
        ).toBe('a|');
      }
    });
  });
}
