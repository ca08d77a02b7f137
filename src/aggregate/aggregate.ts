import { type MonoTypeOperatorFunction, Observable, type SchedulerLike } from 'rxjs';
import type { Context } from '../context.ts';
import { createAlarm } from '../flow/alarm.ts';
import type { Message } from '../message.ts';
import type { Aggregation, AggregationOptions, Closed } from './aggregation.ts';

/** Makes messages of finished windows. */
export type Render = (closed: Closed, windowMs: number) => Message;

/**
 * Shows metric, resource and progress records to the aggregation; everything passes. Where the options say so, each
 * window that closes passes as one more message. One timer, for the window that closes next; completion closes all.
 *
 * States: idle (no window open, no timer) → open (the timer rings at the end of the oldest window, its grace
 * included) → idle …
 */
export const aggregate =
  (
    aggregation: Aggregation,
    options$: Observable<AggregationOptions>,
    render: Render,
    { scheduler, counters }: Pick<Context, 'scheduler' | 'counters'>,
  ): MonoTypeOperatorFunction<Message> =>
  (message$) =>
    new Observable((subscriber) => {
      const emit = (closed: readonly Closed[], { emit: isWanted, windowMs }: AggregationOptions) => {
        if (!isWanted) return;
        for (const one of closed) {
          const message = render(one, windowMs);
          counters.received(message.source, message.type);
          subscriber.next(message);
        }
      };
      const arm = (nowMs: number) => {
        const dueMs = aggregation.dueMs();
        if (dueMs !== undefined) alarm.set(dueMs - nowMs);
      };
      const alarm = createAlarm(scheduler as SchedulerLike, () => {
        const nowMs = scheduler.now();
        emit(aggregation.closeDue(nowMs), aggregation.options());
        arm(nowMs);
      });
      subscriber.add(() => alarm.clear());
      subscriber.add(
        options$.subscribe((options) => {
          const before = aggregation.options();
          emit(aggregation.setOptions(options), before);
          alarm.clear();
          arm(scheduler.now());
        }),
      );
      subscriber.add(
        message$.subscribe({
          next: (message) => {
            aggregation.add(message);
            if (!alarm.isSet() && aggregation.hasOpen()) arm(scheduler.now());
            subscriber.next(message);
          },
          error: (error) => subscriber.error(error),
          complete: () => {
            emit(aggregation.closeDue(Number.POSITIVE_INFINITY), aggregation.options());
            subscriber.complete();
          },
        }),
      );
    });
