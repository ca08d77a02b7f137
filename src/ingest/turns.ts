import type { Observable, SchedulerLike } from 'rxjs';

/** Most bytes that are read from all connections in one turn of the event loop, and from each. */
export const TURN_BYTES = 65_536;

/** Something to read from, when its turn comes. */
export interface Reader {
  /** Reads at most `TURN_BYTES` and returns how many. It may queue up again. */
  read(): number;
}

/** The queue of connections that have something to read: one after the other, a turn each. */
export interface Turns {
  /** Queues `reader` for one turn. */
  add(reader: Reader): void;
  /** Milliseconds for which reading was not paused: the clock by which connections age. */
  openMs(): number;
  /** Ends the subscription to `pause$`. Readers that wait are forgotten. */
  close(): void;
}

/**
 * Serves readers first come, first served, while the latest `pause$` is not true. Between two turns the event
 * loop polls: so a connection that saturates its socket delays another one by a turn, and timers by no more.
 */
export function createTurns(pause$: Observable<boolean>, scheduler: SchedulerLike): Turns {
  const waiting: Reader[] = [];
  let isScheduled = false;
  let isPaused = false;
  let sinceMs = scheduler.now();
  let beforeMs = 0;

  const turn = () => {
    isScheduled = false;
    let bytes = 0;
    let served = 0;
    const round = waiting.length;
    for (; served < round && bytes < TURN_BYTES && !isPaused; served++) bytes += waiting[served]?.read() ?? 0;
    waiting.splice(0, served);
    schedule();
  };
  const schedule = () => {
    if (isScheduled || isPaused || waiting.length === 0) return;
    isScheduled = true;
    setImmediate(turn);
  };
  const openMs = () => beforeMs + (isPaused ? 0 : scheduler.now() - sinceMs);
  const pauses = pause$.subscribe((pause) => {
    if (pause === isPaused) return;
    beforeMs = openMs();
    sinceMs = scheduler.now();
    isPaused = pause;
    schedule();
  });

  return {
    add(reader) {
      waiting.push(reader);
      schedule();
    },
    openMs,
    close() {
      pauses.unsubscribe();
      waiting.length = 0;
    },
  };
}
