import { BehaviorSubject, Observable, Subject } from 'rxjs';

/** A hot stream and the hand that feeds it. It never errors; what nobody is subscribed to is gone. */
export interface Broadcast<T> {
  readonly value$: Observable<T>;
  next(value: T): void;
  /** Ends the stream; later values are ignored, later subscribers complete at once. */
  complete(): void;
}

/** A stream that `next` feeds. */
export function broadcast<T>(): Broadcast<T> {
  const subject = new Subject<T>();
  return { value$: hide(subject), next: (value) => subject.next(value), complete: () => subject.complete() };
}

/** A hot stream of a state: a new subscriber gets the state in force, then each change. */
export interface BroadcastState<T> {
  readonly value$: Observable<T>;
  get(): T;
  /** Setting the state in force again is no change. */
  set(value: T): void;
  complete(): void;
}

/** A state that starts as `initial`. */
export function broadcastState<T>(initial: T): BroadcastState<T> {
  const subject = new BehaviorSubject(initial);
  return {
    value$: hide(subject),
    get: () => subject.value,
    set: (value) => {
      if (value !== subject.value) subject.next(value);
    },
    complete: () => subject.complete(),
  };
}

/** Like `asObservable`, without its cost a value: subscribers sit on the subject itself. */
function hide<T>(subject: Subject<T>): Observable<T> {
  return new Observable((subscriber) => subject.subscribe(subscriber));
}
