import { asyncScheduler, filter, map, Observable } from 'rxjs';
import { type Message, withData } from '../../src/message.ts';
import { type ChainOperator, createChain } from '../../src/route/chain.ts';
import type { Operator } from '../../src/route/operator.ts';
import { letters, recordingContext, type TrialOptions, tryChain, use } from './support.ts';

export const BATCHES = {
  a: letters('a'),
  b: letters('b'),
  x: letters('x'),
  m: letters('abcd'),
  n: letters('axbxc'),
  t: letters('a', 't'),
};

export const pass: Operator = () => (message$) => message$;
export const dropB: Operator = () => filter(({ id }) => id !== 'b');
export const mark: Operator = () => map((message) => withData(message, { marked: true }));
export const throwing = (message: Message) => {
  if (message.id === 'x') throw new Error('no x');
  return message;
};
export const throwOnX: Operator = () => map(throwing);

/** Holds `count` messages back. */
export const hold =
  (count: number): Operator =>
  (_, context) =>
  (message$) =>
    new Observable((subscriber) => {
      const held: Message[] = [];
      context.holding(() => held.length);
      return message$.subscribe({
        next: (message) => {
          held.push(throwing(message));
          if (held.length > count) subscriber.next(held.shift() as Message);
        },
        complete: () => {
          for (const message of held.splice(0)) subscriber.next(message);
          subscriber.complete();
        },
      });
    });

/** Lets out everything of 5 ms at once. */
export const collect: Operator = (_, context) => (message$) =>
  new Observable((subscriber) => {
    let held: Message[] = [];
    context.holding(() => held.length);
    const flush = () => {
      const messages = held;
      held = [];
      for (const message of messages) subscriber.next(throwing(message));
    };
    return message$.subscribe({
      next: (message) => {
        if (held.push(message) === 1) subscriber.add(context.scheduler.schedule(flush, 5));
      },
      complete: () => {
        flush();
        subscriber.complete();
      },
    });
  });

type More = Omit<TrialOptions, 'operators' | 'source' | 'batches'>;
export const run = (operators: Record<string, Operator>, source: string, more: More = {}) =>
  tryChain({
    operators: Object.entries(operators).map(([name, operator]) => use(name, operator)),
    source,
    batches: BATCHES,
    ...more,
  });

export const build = (operators: readonly ChainOperator[], context = recordingContext(asyncScheduler)) =>
  createChain({ operators, backend: 'b', rule: 'routing.s[0]' }, context);
