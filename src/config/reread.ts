import {
  catchError,
  concatMap,
  debounceTime,
  defer,
  EMPTY,
  exhaustMap,
  filter,
  map,
  merge,
  NEVER,
  type Observable,
  of,
  type SchedulerLike,
  share,
  startWith,
  switchMap,
  take,
  tap,
  timer,
} from 'rxjs';
import { reasonOf } from './file.ts';

/** What one look at the disk saw: the file's text, or why it cannot be read. */
export type Snapshot = ({ readonly text: string } | { readonly error: string }) & {
  /** Differs whenever something in the operators' folder does. */
  readonly operators: string;
};

/** A snapshot that is news. */
export type News = Snapshot & {
  /** Goes up when the operators' folder changed; starts at 1. */
  readonly generation: number;
};

export interface RereadOptions {
  /** Something may have changed. */
  readonly change$: Observable<unknown>;
  /** Somebody asks to read again now, changed or not. */
  readonly reload$: Observable<unknown>;
  /** Looks once. */
  readonly look: () => Observable<Snapshot>;
  /** False for a file that somebody is perhaps still writing. */
  readonly isWhole: (snapshot: Snapshot) => boolean;
  /** How long the changes must have paused before a look. */
  readonly debounceMs: () => number;
  readonly scheduler: SchedulerLike;
}

/** Pauses before a file that is not whole is looked at again; after the last it is taken as it is. */
export const RETRY_MS: readonly number[] = [50, 100, 200, 400];
/** A file that stays the same for so long is not being written, however often looks at it are cut short. */
export const DOUBT_MS = RETRY_MS.reduce((sum, pauseMs) => sum + pauseMs, 0);
/** Changes that never pause are looked at after so many times `debounceMs`. */
export const MOST_PAUSES = 10;

/**
 * Looks at once, and again after changes; emits the first snapshot and then only what is new, or was asked for.
 * Never errors and never completes: a failed look is a snapshot with its error.
 */
export function reread(options: RereadOptions): Observable<News> {
  const { reload$, isWhole, scheduler } = options;
  return defer(() => {
    let last: News | undefined;
    let asked = false;
    let doubted: { readonly snapshot: Snapshot; readonly sinceMs: number } | undefined;
    const isSettled = (snapshot: Snapshot): boolean => {
      if (last === undefined || isSame(snapshot, last) || whole(snapshot, isWhole)) {
        doubted = undefined;
        return true;
      }
      if (doubted === undefined || !isSame(doubted.snapshot, snapshot)) {
        doubted = { snapshot, sinceMs: scheduler.now() };
      }
      return scheduler.now() - doubted.sinceMs >= DOUBT_MS;
    };
    const look$ = defer(options.look).pipe(
      take(1),
      catchError((error: unknown) => of({ error: reasonOf(error), operators: last?.operators ?? '' })),
    );
    const settle = (attempt: number): Observable<Snapshot> =>
      look$.pipe(
        // concatMap: one look follows the other
        concatMap((snapshot) => {
          const pauseMs = RETRY_MS[attempt];
          if (isSettled(snapshot) || pauseMs === undefined) return of(snapshot);
          return timer(pauseMs, scheduler).pipe(concatMap(() => settle(attempt + 1)));
        }),
      );
    const wish$ = reload$.pipe(
      catchError(() => EMPTY),
      tap(() => {
        asked = true;
      }),
    );
    return merge(pauses(options), wish$, of('start'), NEVER).pipe(
      // switchMap: a newer change makes an older look worthless
      switchMap(() => settle(0)),
      filter((snapshot) => asked || last === undefined || !isSame(snapshot, last)),
      map((snapshot) => {
        asked = false;
        const moved = last !== undefined && snapshot.operators !== last.operators;
        last = { ...snapshot, generation: (last?.generation ?? 1) + (moved ? 1 : 0) };
        return last;
      }),
    );
  });
}

/** Emits once a burst of changes pauses, or has gone on for too long. */
function pauses({ change$, debounceMs, scheduler }: RereadOptions): Observable<unknown> {
  const burst$ = change$.pipe(
    catchError(() => EMPTY),
    share(),
  );
  const pause = () => {
    const quiet$ = burst$.pipe(startWith(0), debounceTime(debounceMs(), scheduler));
    return merge(quiet$, timer(debounceMs() * MOST_PAUSES, scheduler)).pipe(take(1));
  };
  // exhaustMap: one wait per burst; what comes during it belongs to it
  return burst$.pipe(exhaustMap(pause));
}

function isSame(a: Snapshot, b: Snapshot): boolean {
  if (a.operators !== b.operators) return false;
  return 'text' in a ? 'text' in b && a.text === b.text : 'error' in b && a.error === b.error;
}

/** A check that throws is no reason to wait. */
function whole(snapshot: Snapshot, isWhole: RereadOptions['isWhole']): boolean {
  try {
    return isWhole(snapshot);
  } catch {
    return true;
  }
}
