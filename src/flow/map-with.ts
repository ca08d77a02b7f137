import { Observable, type OperatorFunction } from 'rxjs';

/**
 * `map` whose function is the latest of `project$`, which must emit on subscription; what it makes `undefined` is left
 * out. Like `withLatestFrom`, `map` and `filter`, without an array a value and two subscribers between. An error of
 * `project$`, and a throw of the function, are the result's.
 */
export function mapWith<T, R>(project$: Observable<(value: T) => R | undefined>): OperatorFunction<T, R> {
  return (source$) =>
    new Observable((subscriber) => {
      let project: ((value: T) => R | undefined) | undefined;
      subscriber.add(
        project$.subscribe({
          next: (latest) => {
            project = latest;
          },
          error: (error) => subscriber.error(error),
        }),
      );
      if (project === undefined) {
        subscriber.error(new TypeError('mapWith: project$ must emit on subscription'));
        return;
      }
      const next = (value: T) => {
        let result: R | undefined;
        try {
          result = (project as (value: T) => R | undefined)(value);
        } catch (error) {
          subscriber.error(error);
          return;
        }
        if (result !== undefined) subscriber.next(result);
      };
      subscriber.add(
        source$.subscribe({
          next,
          error: (error) => subscriber.error(error),
          complete: () => subscriber.complete(),
        }),
      );
    });
}
