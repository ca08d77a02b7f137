import { Observable, type Subscriber } from 'rxjs';

/** A source for one subscriber; what comes before it waits for it. */
export interface Unicast<T> {
  readonly value$: Observable<T>;
  next(value: T): void;
  complete(): void;
}

/** Unlike a ReplaySubject it keeps nothing that was delivered. */
export function createUnicast<T>(): Unicast<T> {
  const waiting: T[] = [];
  let out: Subscriber<T> | undefined;
  let isComplete = false;
  return {
    value$: new Observable((subscriber) => {
      out = subscriber;
      for (const value of waiting.splice(0)) subscriber.next(value);
      if (isComplete) subscriber.complete();
    }),
    next(value) {
      if (out === undefined) waiting.push(value);
      else out.next(value);
    },
    complete() {
      isComplete = true;
      out?.complete();
    },
  };
}
