import { Observable, type OperatorFunction } from 'rxjs';

/**
 * `map` whose function is the latest of `project$`, which must emit on subscription. Like `withLatestFrom` without
 * its array a value. An error of `project$` is the result's.
 */
export function mapWith<T, R>(project$: Observable<(value: T) => R>): OperatorFunction<T, R> {
  return (source$) =>
    new Observable((subscriber) => {
      let project: ((value: T) => R) | undefined;
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
      subscriber.add(
        source$.subscribe({
          next: (value) => subscriber.next((project as (value: T) => R)(value)),
          error: (error) => subscriber.error(error),
          complete: () => subscriber.complete(),
        }),
      );
    });
}
