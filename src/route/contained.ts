import { Observable, type Observer, Subscriber } from 'rxjs';

type OnThrow = (error: unknown) => void;
type Callback<T> = ((value: T) => void) | undefined;

/** A stream fed by hand, for the operator that reads it. */
export interface Input<T> {
  readonly value$: Observable<T>;
  next(value: T): void;
  complete(): void;
}

/**
 * Feeds `value$` to however many subscribers it has. What their callbacks throw goes to `onThrow`: RxJS would
 * report it as an uncaught exception, which ends the process.
 */
export function createInput<T>(onThrow: OnThrow): Input<T> {
  let subscribers: readonly Subscriber<T>[] = [];
  let isComplete = false;
  const value$ = new Observable<T>((subscriber) => {
    if (isComplete) subscriber.complete();
    subscribers = [...subscribers, subscriber];
    return () => {
      subscribers = subscribers.filter((each) => each !== subscriber);
    };
  });
  return {
    value$: contain(value$, onThrow),
    next(value) {
      for (const subscriber of subscribers) subscriber.next(value);
    },
    complete() {
      isComplete = true;
      for (const subscriber of subscribers) subscriber.complete();
    },
  };
}

/** Guards whoever subscribes to `value$` or to a stream piped from it by hand: operators guard themselves. */
function contain<T>(value$: Observable<T>, onThrow: OnThrow): Observable<T> {
  const subscribe = value$.subscribe.bind(value$) as (
    observer: Partial<Observer<T>>,
  ) => ReturnType<typeof value$.subscribe>;
  const lift = value$.lift.bind(value$);
  const containedSubscribe = (
    first?: Partial<Observer<T>> | Callback<T> | null,
    error?: Callback<unknown>,
    complete?: () => void,
  ) => {
    if (first instanceof Subscriber) return subscribe(first);
    return subscribe(
      guard(typeof first === 'function' ? { next: first, error, complete } : (first ?? {}), onThrow),
    );
  };
  const containedLift: typeof lift = (operator) => contain(lift(operator), onThrow);
  return Object.assign(value$, { subscribe: containedSubscribe, lift: containedLift });
}

interface LooseObserver<T> {
  next?: Callback<T>;
  error?: Callback<unknown>;
  complete?: (() => void) | undefined;
}

function guard<T>(observer: LooseObserver<T>, onThrow: OnThrow): Observer<T> {
  return {
    next(value) {
      try {
        observer.next?.(value);
      } catch (error) {
        onThrow(error);
      }
    },
    error(cause) {
      try {
        if (observer.error === undefined) onThrow(cause);
        else observer.error(cause);
      } catch (error) {
        onThrow(error);
      }
    },
    complete() {
      try {
        observer.complete?.();
      } catch (error) {
        onThrow(error);
      }
    },
  };
}
