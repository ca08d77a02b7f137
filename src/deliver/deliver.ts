import { ignoreElements, merge, type OperatorFunction, tap } from 'rxjs';
import type { Lanes } from './lanes.ts';
import type { Outcome, Routed } from './outcome.ts';

/**
 * Deliveries go to their lanes, outcomes pass; what comes out is every outcome. When the input completes, the lanes
 * close within `closeWithinMs()`; then the result completes. Unsubscribing stops the input, not the lanes.
 */
export const deliver =
  (lanes: Lanes, closeWithinMs: () => number): OperatorFunction<Routed, Outcome> =>
  (routed$) => {
    const offered$ = routed$.pipe(
      tap({ next: lanes.accept, complete: () => lanes.close(closeWithinMs()) }),
      ignoreElements(),
    );
    // merge: nothing here waits. The outcomes come first: a send may end before `accept` returns.
    return merge(lanes.outcome$, offered$);
  };
