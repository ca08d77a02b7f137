import { describe, expect, test } from '@jest/globals';
import { EMPTY, type Observable, throwError } from 'rxjs';
import type { Batch } from '../src/batch.ts';
import { Partly, Permanent, Throttled } from '../src/deliver/sink.ts';
import { delivery, message, numberOf, numbersOf } from '../test/deliver/fixtures.ts';
import { play } from '../test/deliver/stage.ts';

const MERGING = { maxMessages: 100, maxBytes: 1_000_000 };

/** Messages are made anew by number in a test; a sink refuses those that it was given. */
const partly = (
  { messages }: Batch,
  refused: Readonly<Record<number, string>>,
  unsent: readonly number[] = [],
  cause?: unknown,
): Partly =>
  new Partly('not all of it', {
    refused: new Map(
      messages.flatMap((one) => {
        const reason = refused[numberOf(one)];
        return reason === undefined ? [] : [[one, reason] as const];
      }),
    ),
    unsent: new Set(messages.filter((one) => unsent.includes(numberOf(one)))),
    cause,
  });

/** Answers in turn; after the last one everything is accepted. */
const inTurn =
  (...answers: ((batch: Batch) => unknown)[]) =>
  (sent: Batch, _target: unknown, nth: number): Observable<never> => {
    const answer = answers[nth - 1];
    return answer === undefined ? EMPTY : throwError(() => answer(sent));
  };

describe('a part of a batch', () => {
  test('what is refused goes to the dead letters with its reason, the rest is delivered, in one send', () => {
    const { sends, outcomes, stage } = play(
      { answers: inTurn((sent) => partly(sent, { 1: 'too old', 3: 'too new', 4: 'too old' })) },
      ({ lane }) => lane.offer(delivery([0, 1, 2, 3, 4])),
    );
    expect(sends).toEqual(['0 t 0,1,2,3,4']);
    expect(outcomes).toEqual([
      '0 delivered ok 0,2',
      '0 dead_lettered permanent 1,4',
      '0 dead_lettered permanent 3',
    ]);
    const letters = stage.context.deadLetters.letters;
    expect(letters.map(({ error, attempts, messages }) => [error, attempts, numbersOf(messages)])).toEqual([
      ['too old', 1, [1, 4]],
      ['too new', 1, [3]],
    ]);
    expect(stage.lane.stats()).toMatchObject({ sent: 2, inFlightMessages: 0, queueBytes: 0 });
  });

  test('all of it refused', () => {
    const { outcomes } = play({ answers: inTurn((sent) => partly(sent, { 1: 'no', 2: 'no' })) }, ({ lane }) =>
      lane.offer(delivery([1, 2])),
    );
    expect(outcomes).toEqual(['0 dead_lettered permanent 1,2']);
  });

  test('without a cause the rest is sent at once, before what waits, and not merged with it', () => {
    const { sends, outcomes } = play(
      { answers: inTurn((sent) => partly(sent, {}, [2, 3])), merge: MERGING },
      ({ lane, at }) => {
        lane.offer(delivery([1, 2, 3]));
        at(1, () => lane.offer(delivery([4])));
      },
    );
    expect(sends).toEqual(['0 t 1,2,3', '0 t 2,3', '1 t 4']);
    expect(outcomes).toEqual(['0 delivered ok 1', '0 delivered ok 2,3', '1 delivered ok 4']);
  });

  test('with a transient cause after a pause, counted against its attempts', () => {
    const failing = (sent: Batch) => partly(sent, {}, [2], new Error('cut off'));
    const { sends, outcomes, stage } = play(
      {
        answers: inTurn(failing, failing, failing),
        options: { retry: { initialMs: 10, maxMs: 1000, maxAttempts: 2 } },
      },
      ({ lane }) => lane.offer(delivery([1, 2])),
    );
    expect(sends).toEqual(['0 t 1,2', '10 t 2']);
    expect(outcomes).toEqual(['0 delivered ok 1', '10 dead_lettered retries_exhausted 2']);
    expect(stage.context.deadLetters.letters[0]!.attempts).toBe(2);
  });

  test('with a throttled cause as long as the backend asks', () => {
    const { sends, outcomes } = play(
      { answers: inTurn((sent) => partly(sent, { 0: 'bad' }, [2], new Throttled('later', 70))) },
      ({ lane }) => lane.offer(delivery([0, 1, 2])),
    );
    expect(sends).toEqual(['0 t 0,1,2', '70 t 2']);
    expect(outcomes).toEqual(['0 delivered ok 1', '0 dead_lettered permanent 0', '70 delivered ok 2']);
  });

  test('with a permanent cause the rest is halved', () => {
    const refusal = new Permanent('one of these');
    const { sends, outcomes } = play(
      {
        answers: inTurn(
          (sent) => partly(sent, {}, [2, 3], refusal),
          () => refusal,
        ),
      },
      ({ lane }) => lane.offer(delivery([1, 2, 3])),
    );
    expect(sends).toEqual(['0 t 1,2,3', '0 t 2', '0 t 3']);
    expect(outcomes).toEqual(['0 delivered ok 1', '0 dead_lettered permanent 2', '0 delivered ok 3']);
  });

  test.each<[string, unknown]>([
    ['no cause', undefined],
    ['a transient cause', new Error('cut off')],
    ['itself as its cause', new Partly('again', {})],
  ])('nothing of it, with %s, is a transient failure', (_, cause) => {
    const { sends } = play({ answers: inTurn((sent) => partly(sent, {}, [1, 2], cause)) }, ({ lane }) =>
      lane.offer(delivery([1, 2])),
    );
    expect(sends).toEqual(['0 t 1,2', '10 t 1,2']);
  });

  test('nothing of it, with a permanent cause, is halved', () => {
    const cause = new Permanent('one of these');
    const { sends } = play({ answers: inTurn((sent) => partly(sent, {}, [1, 2], cause)) }, ({ lane }) =>
      lane.offer(delivery([1, 2])),
    );
    expect(sends).toEqual(['0 t 1,2', '0 t 1', '0 t 2']);
  });

  test('is progress: the breaker stays closed', () => {
    const failing = (sent: Batch) => partly(sent, {}, numbersOf(sent.messages).slice(1), new Error('cut'));
    const { outcomes, stage } = play(
      {
        answers: inTurn(failing, failing, failing),
        options: { breaker: { failures: 2, resetAfterMs: 1000 } },
      },
      ({ lane }) => lane.offer(delivery([1, 2, 3, 4])),
    );
    expect(outcomes.map((line) => line.replace(/^\d+ /, ''))).toEqual(
      [1, 2, 3, 4].map((n) => `delivered ok ${n}`),
    );
    expect(stage.context.log.lines).toEqual([]);
  });

  test('messages that are not in the batch change nothing', () => {
    const { outcomes } = play(
      {
        answers: inTurn(
          () => new Partly('', { refused: new Map([[message(9), 'bad']]), unsent: new Set([message(8)]) }),
        ),
      },
      ({ lane }) => lane.offer(delivery([1])),
    );
    expect(outcomes).toEqual(['0 delivered ok 1']);
  });

  test('a target is free again, whatever became of the parts', () => {
    const { sends } = play(
      {
        answers: inTurn(
          (sent) => partly(sent, { 1: 'bad' }),
          (sent) => partly(sent, { 3: 'bad' }, [4]),
        ),
      },
      ({ lane }) => {
        for (const numbers of [[1, 2], [3, 4], [5]]) lane.offer(delivery(numbers));
      },
    );
    expect(sends).toEqual(['0 t 1,2', '0 t 3,4', '0 t 4', '0 t 5']);
  });
});
