import type { SchedulerLike } from 'rxjs';
import { createAlarm } from '../flow/alarm.ts';

export interface BreakerOptions {
  /** Failures in a row that open it. */
  readonly failures: number;
  /** How long it stays open before one probe is let through. */
  readonly resetAfterMs: number;
}

/** Sending, one probe, or waiting. */
export type BreakerState = 'closed' | 'half-open' | 'open';

/** Names the time between two changes of state; what began before a change says nothing of after it. */
export type Ticket = number;

/** Keeps a lane from sending to a backend that does not answer. */
export interface Breaker {
  readonly state: BreakerState;
  /** Milliseconds until the next probe; 0 unless open. */
  readonly nextProbeMs: number;
  /** Whether a send may begin now. */
  permits(): boolean;
  begin(): Ticket;
  /** The backend answered, if only to refuse: it lives. */
  answered(ticket: Ticket): void;
  failed(ticket: Ticket, error: unknown): void;
  /** If open: half-opens without waiting. */
  probeNow(): void;
  /** Stops its clock. */
  stop(): void;
}

/**
 * States: closed (all may send) → open after `failures` in a row (none may) → half-open after `resetAfterMs` (one
 * probe may, whatever the lane's concurrency; the targets take turns) → closed by an answer, open again by a failure.
 */
export function createBreaker(
  { failures, resetAfterMs }: BreakerOptions,
  scheduler: SchedulerLike,
  onChange: (state: BreakerState, before: BreakerState, error: unknown) => void,
): Breaker {
  let state: BreakerState = 'closed';
  let ticket: Ticket = 0;
  let failuresInRow = 0;
  let probing = false;
  let openedMs = 0;

  const change = (to: BreakerState, error?: unknown) => {
    const before = state;
    state = to;
    ticket++;
    probing = false;
    alarm.clear();
    if (to === 'open') {
      openedMs = scheduler.now();
      alarm.set(resetAfterMs);
    }
    onChange(to, before, error);
  };
  const alarm = createAlarm(scheduler, () => change('half-open'));

  return {
    get state() {
      return state;
    },
    get nextProbeMs() {
      if (state !== 'open') return 0;
      return Math.min(Math.max(openedMs + resetAfterMs - scheduler.now(), 0), resetAfterMs);
    },
    permits: () => state === 'closed' || (state === 'half-open' && !probing),
    begin: () => {
      probing = state === 'half-open';
      return ticket;
    },
    answered: (of) => {
      if (of !== ticket) return;
      failuresInRow = 0;
      if (state === 'half-open') change('closed');
    },
    failed: (of, error) => {
      if (of !== ticket) return;
      failuresInRow++;
      if (failuresInRow >= failures) change('open', error);
    },
    probeNow: () => {
      if (state === 'open') change('half-open');
    },
    stop: () => alarm.clear(),
  };
}
