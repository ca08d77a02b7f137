import { Observable } from 'rxjs';

/** Whether a task is to stop. */
export interface Abort {
  readonly aborted: boolean;
  /** The same for whoever takes a signal; made when it is asked for, as each outlives the young collections. */
  signal(): AbortSignal;
}

/**
 * Runs a task on subscription; emits whenever it calls `onProgress`, and what the task resolves with, if anything; completes or errors
 * with it. Unsubscribing aborts it and hears no more.
 */
export function abortable<T>(
  task: (abort: Abort, onProgress: () => void) => Promise<T>,
): Observable<T | undefined> {
  return new Observable((subscriber) => {
    let controller: AbortController | undefined;
    let settled = false;
    const settle = (tell: () => void) => {
      settled = true;
      tell();
    };
    const abort = {
      aborted: false,
      signal: () => {
        controller ??= new AbortController();
        if (abort.aborted) controller.abort();
        return controller.signal;
      },
    };
    task(abort, () => subscriber.next(undefined)).then(
      (result) =>
        settle(() => {
          if (result !== undefined) subscriber.next(result);
          subscriber.complete();
        }),
      (error: unknown) => settle(() => subscriber.error(error)),
    );
    // Aborting what is done would still make an error with a stack.
    return () => {
      if (settled) return;
      abort.aborted = true;
      controller?.abort();
    };
  });
}
