import { expect } from '@jest/globals';
import type { Observable } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import type { Batch } from '../../src/batch.ts';
import { type Lane, type LaneOptions, type OpenSpool, openLane } from '../../src/deliver/lane.ts';
import type { MergeLimits, Target } from '../../src/deliver/sink.ts';
import type { Message } from '../../src/message.ts';
import { type FakeSink, fakeSink, numbersOf, OPTIONS, type TestContext, testContext } from './fixtures.ts';

/** How a sink answers its sends: a marble diagram each (the last one for all others), or a function. */
export type Answers =
  | readonly (string | readonly [marbles: string, error: unknown])[]
  | ((
      batch: Batch,
      target: Target,
      nth: number,
      cold: TestScheduler['createColdObservable'],
    ) => Observable<unknown>);

export interface Stage {
  readonly lane: Lane;
  readonly sink: FakeSink;
  readonly context: TestContext;
  readonly scheduler: TestScheduler;
  /** Does something at a time, in milliseconds. */
  at(ms: number, action: () => void): void;
}

/** What happened, in the order it did; every line begins with its millisecond. */
export interface Record {
  /** `0 t 1,2`: sent to target t. */
  readonly sends: string[];
  /** `2 delivered ok 1,2` */
  readonly outcomes: string[];
  /** `5 true` */
  readonly full: string[];
  /** `7`: the lane completed. */
  readonly ended: number[];
  readonly stage: Stage;
}

export interface Scene {
  readonly options?: Partial<LaneOptions>;
  readonly answers: Answers;
  readonly merge?: MergeLimits;
  readonly close?: () => Observable<never>;
  /** The sink's own. */
  readonly stallAfterMs?: number;
  readonly random?: () => number;
  /** Where the lane spills to. */
  readonly spool?: (scheduler: TestScheduler) => OpenSpool;
  /** Is told of messages that are safe. */
  readonly safe?: (messages: readonly Message[]) => void;
}

/** Runs a lane in virtual time. */
export function play(
  { options, answers, merge, close, stallAfterMs, random, spool, safe = () => {} }: Scene,
  script: (stage: Stage) => void,
): Record {
  const scheduler = new TestScheduler((actual, expected) => expect(actual).toEqual(expected));
  let record: Record | undefined;
  scheduler.run(({ cold }) => {
    const unused = () => {};
    const receipts = { routed: unused, admitted: unused, safe, isAwaited: () => false };
    const context = { ...testContext(scheduler, random), receipts };
    const answer = (batch: Batch, target: Target, nth: number) => {
      if (typeof answers === 'function') return answers(batch, target, nth, cold as never);
      const [marbles, error] = [answers[Math.min(nth, answers.length) - 1] ?? '|'].flat() as [
        string,
        unknown,
      ];
      return cold(marbles, undefined, error);
    };
    const fake = fakeSink(scheduler, answer, merge, close);
    const sink = stallAfterMs === undefined ? fake : { ...fake, stallAfterMs };
    const lane = openLane('b', sink, { ...OPTIONS, ...options }, context, spool?.(scheduler));
    const at = (ms: number, action: () => void) => {
      scheduler.schedule(action, ms);
    };
    const stage: Stage = { lane, sink, context, scheduler, at };
    record = { sends: [], outcomes: [], full: [], ended: [], stage };
    listen(record);
    script(stage);
  });
  const { sends, stage } = record!;
  for (const { ms, target, numbers } of stage.sink.sends) sends.push(`${ms} ${target} ${numbers}`);
  return record!;
}

function listen({ stage: { lane, scheduler }, outcomes, full, ended }: Record): void {
  const now = () => scheduler.now();
  lane.outcome$.subscribe({
    next: ({ ending, reason, messages }) =>
      outcomes.push(`${now()} ${ending} ${reason} ${numbersOf(messages)}`),
    complete: () => ended.push(now()),
  });
  lane.full$.subscribe((isFull) => full.push(`${now()} ${isFull}`));
}
