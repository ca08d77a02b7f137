import {
  defer,
  Observable,
  type ObservableInput,
  type OperatorFunction,
  type SchedulerLike,
  Subject,
  Subscription,
} from 'rxjs';

export interface DrainingSwitchMapOptions {
  /** How long an inner whose input has completed may go on, asked then; past it, it is unsubscribed. */
  readonly drainMs: () => number;
  readonly scheduler: SchedulerLike;
}

/**
 * `switchMap` that loses nothing: `project` turns each value of `plan$` and a stream of the source's values into
 * an inner Observable. On a new plan the old inner's input **completes**, so that it flushes and drains, while the
 * new inner, subscribed before, already takes the values. A plan that comes while a value is handled takes over
 * after it. An inner completes after its input does, not earlier. Until the first plan the source's values are kept,
 * unbounded: give `plan$` its first value first. The source is subscribed once; its completion (not the plans')
 * completes the result, after all inners.
 *
 * States: waiting (no plan yet, values kept) → running (one inner takes values, older ones drain) → draining
 * (source complete) → complete.
 */
export function drainingSwitchMap<T, P, R>(
  plan$: Observable<P>,
  project: (plan: P, input$: Observable<T>) => ObservableInput<R>,
  { drainMs, scheduler }: DrainingSwitchMapOptions,
): OperatorFunction<T, R> {
  return (source$) =>
    new Observable<R>((subscriber) => {
      const all = new Subscription();
      let input: Subject<T> | undefined;
      let early: T[] = [];
      let running = 0;
      let sourceDone = false;
      let planDone = false;
      let isTurn = false;
      let waiting: P[] = [];

      const completeIfDone = () => {
        if (sourceDone && running === 0 && (early.length === 0 || planDone)) subscriber.complete();
      };

      /** Ends the current inner's input and gives it `drainMs` to finish. */
      const retire = (old: Subject<T>, inner: Subscription) => {
        old.complete();
        if (inner.closed) return;
        const deadline = scheduler.schedule(() => inner.unsubscribe(), drainMs());
        inner.add(deadline);
      };
      let retireCurrent = () => {};

      /** Values that come meanwhile queue up behind those that were kept. */
      const replayEarly = (to: Subject<T>) => {
        for (const value of early) to.next(value);
        early = [];
      };

      const start = (plan: P) => {
        const next = new Subject<T>();
        const inner = new Subscription(() => {
          running--;
          completeIfDone();
        });
        const retireOld = retireCurrent;
        running++;
        all.add(inner);
        retireCurrent = () => retire(next, inner);
        inner.add(
          defer(() => project(plan, next)).subscribe({
            next: (value) => subscriber.next(value),
            error: (error) => subscriber.error(error),
            complete: () => inner.unsubscribe(),
          }),
        );
        replayEarly(next);
        input = next;
        retireOld();
      };

      const finishIfSourceDone = () => {
        if (!sourceDone) return;
        if (input !== undefined) retireCurrent();
        retireCurrent = () => {};
        completeIfDone();
      };

      /** What came within a turn, while an inner still handled a value: its input ends only now. */
      const endTurn = () => {
        for (const plan of waiting) {
          if (!subscriber.closed && !(sourceDone && input !== undefined)) start(plan);
        }
        if (waiting.length > 0) waiting = [];
        isTurn = false;
        finishIfSourceDone();
      };

      const switchTo = (plan: P) => {
        waiting.push(plan);
        if (isTurn) return;
        isTurn = true;
        endTurn();
      };

      const take = (value: T) => {
        if (input === undefined) {
          early.push(value);
        } else if (isTurn) {
          input.next(value);
        } else {
          isTurn = true;
          input.next(value);
          endTurn();
        }
      };

      const end = () => {
        sourceDone = true;
        if (!isTurn) finishIfSourceDone();
      };

      subscriber.add(() => all.unsubscribe());
      subscriber.add(
        plan$.subscribe({
          next: switchTo,
          error: (error) => subscriber.error(error),
          complete: () => {
            planDone = true;
            completeIfDone();
          },
        }),
      );
      subscriber.add(
        source$.subscribe({ next: take, error: (error) => subscriber.error(error), complete: end }),
      );
    });
}
