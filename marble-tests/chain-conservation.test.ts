import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import {
  concatMap,
  delay,
  endWith,
  filter,
  from,
  map,
  Observable,
  of,
  take,
  VirtualTimeScheduler,
} from 'rxjs';
import type { Message } from '../src/message.ts';
import { createChain } from '../src/route/chain.ts';
import type { Operator } from '../src/route/operator.ts';
import { batchOf, messageOf, recordingContext, use } from '../test/route/support.ts';

const isNth = ({ id }: Message, n: number) => Number(id.split('-')[0]) % (n + 1) === 0;

/** Holds up to `n` messages or 3 ms, lets go of some and forgets others, throws at times; `says` what it holds. */
const holding =
  (n: number, says: (held: number) => number): Operator =>
  (_, context) =>
  (message$) =>
    new Observable((subscriber) => {
      let held: Message[] = [];
      context.holding(() => says(held.length));
      const release = () => {
        const messages = held;
        held = [];
        for (const message of messages) {
          if (isNth(message, 6)) throw new Error('in a timer');
          if (!isNth(message, 4)) subscriber.next(message);
        }
      };
      return message$.subscribe({
        next: (message) => {
          if (isNth(message, 10)) throw new Error('by hand');
          if (held.push(message) === 1) subscriber.add(context.scheduler.schedule(release, 3));
          if (held.length > n) subscriber.next(held.splice(held.length >> 1, 1)[0] as Message);
        },
        complete: () => {
          release();
          subscriber.complete();
        },
      });
    });

/** What users may write, by kind. */
const KINDS: Record<string, (n: number) => Operator> = {
  pass: () => () => (message$) => message$,
  drop: (n) => () => filter((message) => !isNth(message, n)),
  // concatMap: in order
  repeat: (n) => () => concatMap((message) => (isNth(message, n) ? of(message, message) : of(message))),
  own: (n) => () => concatMap((message) => from([messageOf(`0-own${n}`), message])),
  end: (n) => () => endWith(messageOf(`0-end${n}`)),
  fail: (n) => () =>
    map((message) => {
      if (isNth(message, n)) throw new Error('no');
      return message;
    }),
  nonsense: (n) => () => map((message) => (isNth(message, n) ? (undefined as unknown as Message) : message)),
  hold: (n) => holding(n, (held) => held),
  understate: (n) => holding(n, (held) => held >> 1),
  overstate: (n) => holding(n, (held) => held + 2),
  silent: (n) => (_, context) => delay(n, context.scheduler),
  take: (n) => () => take(n * 5),
  never: () => () => () => new Observable(),
};

const operator = fc.record({
  kind: fc.constantFrom(...Object.keys(KINDS)),
  n: fc.integer({ min: 1, max: 7 }),
});
const step = fc.record({ waitMs: fc.integer({ min: 0, max: 5 }), count: fc.integer({ min: 1, max: 8 }) });

/** Runs the steps through the operators; `check` is called after every turn with the sides of the equation. */
function account(
  operators: readonly { kind: string; n: number }[],
  steps: readonly { waitMs: number; count: number }[],
  check: (entered: number, accounted: number) => void,
) {
  const scheduler = new VirtualTimeScheduler();
  const context = recordingContext(scheduler);
  const chain = createChain(
    {
      operators: operators.map(({ kind, n }, at) => use(`${kind}${at}`, KINDS[kind]!(n))),
      backend: 'b',
      rule: 'r',
    },
    context,
  );
  let entered = 0;
  let left = 0;
  chain.attach((result) => {
    left += result.messages.length;
  });
  const balance = () => check(entered + context.added, left + chain.held());
  let atMs = 0;
  for (const { waitMs, count } of steps) {
    atMs += waitMs;
    scheduler.schedule(() => {
      const messages = Array.from({ length: count }, () => messageOf(`${++entered}-m`));
      chain.push(batchOf(messages));
      balance();
    }, atMs);
    scheduler.schedule(balance, atMs + 2);
  }
  let drained = false;
  scheduler.schedule(() => chain.drain(10).subscribe({ complete: () => (drained = true) }), atMs + 3);
  scheduler.flush();
  balance();
  return { drained, held: chain.held() };
}

describe('conservation', () => {
  test('in + added = out + filtered + dead-lettered + shed + held, whatever the operators do', () => {
    fc.assert(
      fc.property(
        fc.array(operator, { minLength: 1, maxLength: 4 }),
        fc.array(step, { minLength: 1, maxLength: 12 }),
        (operators, steps) => {
          const { drained, held } = account(operators, steps, (entered, accounted) =>
            expect(accounted).toBe(entered),
          );
          expect({ drained, held }).toEqual({ drained: true, held: 0 });
        },
      ),
      { numRuns: 500 },
    );
  });

  test('holds for 10,000 messages through operators of every kind', () => {
    const operators = Object.keys(KINDS)
      .filter((kind) => kind !== 'take' && kind !== 'never')
      .map((kind) => ({ kind, n: 6 }));
    const steps = Array.from({ length: 200 }, (_, at) => ({ waitMs: at % 3, count: 50 }));
    let checks = 0;
    const { held } = account(operators, steps, (entered, accounted) => {
      checks++;
      if (accounted !== entered) expect(accounted).toBe(entered);
    });
    expect({ held, checks }).toEqual({ held: 0, checks: 401 });
  });
});
