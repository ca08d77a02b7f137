import { Observable } from 'rxjs';

/** Runs a task on subscription; completes or errors with it. Unsubscribing aborts its signal and hears no more. */
export function abortable(task: (signal: AbortSignal) => Promise<unknown>): Observable<never> {
  return new Observable((subscriber) => {
    const abort = new AbortController();
    task(abort.signal).then(
      () => subscriber.complete(),
      (error: unknown) => subscriber.error(error),
    );
    return () => abort.abort();
  });
}
