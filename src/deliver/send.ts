import { defer, Observable, type SchedulerLike, type Subscription } from 'rxjs';
import type { Job } from './job.ts';
import { type Verdict, verdictOf } from './retry.ts';
import type { Receipt, Sink } from './sink.ts';

const ACCEPTED: Verdict = { kind: 'accepted' };

/**
 * Sends a job once. Emits one verdict, whatever the sink does, and completes; unsubscribing aborts. A send without an
 * answer after `timeoutMs` is aborted first and then called a transient failure. `onProgress` is called at every sign
 * that the send gets on. Like `timeout` and `catchError`, but
 * without a timer for a send that ends before it returns.
 */
export function sendOnce(
  sink: Sink,
  { batch, target }: Job,
  timeoutMs: number,
  scheduler: SchedulerLike,
  onProgress: () => void = () => {},
): Observable<Verdict> {
  return new Observable((subscriber) => {
    const settle = (verdict: Verdict) => {
      subscriber.next(verdict);
      subscriber.complete();
    };
    let accepted = ACCEPTED;
    const sending = defer(() => sink.send(batch, target)).subscribe({
      next: (sign) => {
        if (isReceipt(sign)) accepted = { kind: 'accepted', place: sign.place };
        onProgress();
      },
      error: (error: unknown) => settle(verdictOf(error)),
      complete: () => settle(accepted),
    });
    subscriber.add(() => abort(sending));
    if (subscriber.closed) return;
    const late = () => {
      abort(sending);
      settle({ kind: 'transient', error: new Error(`no answer within ${timeoutMs} ms`) });
    };
    subscriber.add(scheduler.schedule(late, timeoutMs));
  });
}

const isReceipt = (sign: unknown): sign is Receipt =>
  typeof sign === 'object' && sign !== null && 'place' in sign && typeof sign.place === 'string';

/** A sink that throws while it is aborted is aborted all the same. */
function abort(sending: Subscription): void {
  try {
    sending.unsubscribe();
  } catch {
    // Nothing waits for it any more.
  }
}
