import { defer, type MonoTypeOperatorFunction, tap } from 'rxjs';
import type { Message } from '../message.ts';
import type { OperatorContext } from './operator.ts';

/**
 * `operator`, and what it holds is registered with `context.holding`: for one that gives each message back later, once,
 * itself or a copy with other data, as `delay` and `concatMap` do. One that drops messages has to count by itself.
 */
export const countHeld = (
  context: Pick<OperatorContext, 'holding'>,
  operator: MonoTypeOperatorFunction<Message>,
): MonoTypeOperatorFunction<Message> => {
  return (message$) =>
    defer(() => {
      let held = 0;
      context.holding(() => held);
      return message$.pipe(
        tap(() => held++),
        operator,
        tap(() => held--),
      );
    });
};
