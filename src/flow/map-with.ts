import { map, Observable, type OperatorFunction } from 'rxjs';

/**
 * `map` whose function is the latest of `project$`, which must emit on subscription. Like `withLatestFrom` without
 * its array a value. An error of `project$`, and a throw of the function, are the result's.
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
      const toResult = (value: T) => (project as (value: T) => R)(value);
      subscriber.add(source$.pipe(map(toResult)).subscribe(subscriber));
    });
}
