import { Observable } from 'rxjs';

/**
 * Runs a task on subscription; emits whenever it calls `onProgress`, and what the task resolves with, if anything; completes or errors
 * with it. Unsubscribing aborts its signal and hears no more.
 */
export function abortable<T>(
  task: (signal: AbortSignal, onProgress: () => void) => Promise<T>,
): Observable<T | undefined> {
  return new Observable((subscriber) => {
    const abort = new AbortController();
    let settled = false;
    const settle = (tell: () => void) => {
      settled = true;
      tell();
    };
    task(abort.signal, () => subscriber.next(undefined)).then(
      (result) =>
        settle(() => {
          if (result !== undefined) subscriber.next(result);
          subscriber.complete();
        }),
      (error: unknown) => settle(() => subscriber.error(error)),
    );
    // Aborting what is done would still make an error with a stack, and outlive young collections.
    return () => {
      if (!settled) abort.abort();
    };
  });
}
