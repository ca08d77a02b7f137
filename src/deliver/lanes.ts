import { merge, type Observable } from 'rxjs';
import { broadcast, broadcastState } from '../flow/broadcast.ts';
import type { Letter } from './dead-letters.ts';
import { type DeliverContext, type Lane, type LaneOptions, type LaneStats, openLane } from './lane.ts';
import { unwritten } from './lane-state.ts';
import { type Delivery, type Outcome, outcome, type Routed } from './outcome.ts';
import type { Sink } from './sink.ts';
import type { Spools, SpoolUse } from './spools.ts';

/** What the configuration says of a backend. */
export interface LaneSpec {
  /** Differs if and only if the backend's section does. */
  readonly fingerprint: string;
  /** Called once, if no lane of this fingerprint runs. May throw. */
  readonly open: () => {
    readonly sink: Sink;
    readonly options: LaneOptions;
    readonly spool?: Omit<SpoolUse, 'changed'>;
  };
}

/** All backends' lanes. They outlive plans: what a reload did not change is the same lane before and after. */
export interface Lanes {
  /**
   * Makes the lanes those of `backends` and returns their sinks. A lane of the same fingerprint is untouched; a
   * changed or removed one takes no more and drains, a new one takes over. If a sink does not open, throws and
   * changes nothing. After `close` it changes nothing either.
   */
  reconcile(backends: ReadonlyMap<string, LaneSpec>): ReadonlyMap<string, Sink>;
  /** Takes what routing says: a delivery for its lane, or an outcome to pass on. Never throws, never waits. */
  accept(routed: Routed): void;
  offer(delivery: Delivery): void;
  /** All lanes' outcomes; hot, never errors; completes once closed. Unsubscribing stops no lane. */
  readonly outcome$: Observable<Outcome>;
  /** Whether any lane in use is full. */
  readonly full$: Observable<boolean>;
  /** To be called when a stop begins; see `Lane.unblock`. */
  unblock(): void;
  /** To be called when other rules are in force; see `Lane.review`. */
  review(): void;
  /** By backend; a lane that drains counts in with the one that took over. */
  stats(): ReadonlyMap<string, LaneStats>;
  /** Closes all lanes, those that drain too; see `Lane.close`. End the input first: later deliveries have no outcome. */
  close(deadlineMs: number): Observable<never>;
}

export interface LanesOptions {
  /** Where what cannot be delivered yet is kept; absent: nowhere. */
  readonly spools?: Spools | undefined;
  /** How long a changed or removed backend's lane may take to send what it holds. Default 30,000. */
  readonly drainMs?: number;
}

const DRAIN_MS = 30_000;

interface Running {
  readonly name: string;
  readonly fingerprint: string;
  readonly sink: Sink;
  readonly lane: Lane;
}

export function openLanes(context: DeliverContext, { drainMs = DRAIN_MS, spools }: LanesOptions = {}): Lanes {
  const outcomes = broadcast<Outcome>();
  const full = broadcastState(false);
  const end = broadcast<never>();
  const current = new Map<string, Running>();
  const draining = new Set<Running>();
  const fullLanes = new Set<Running>();
  let closing = false;

  const start = (name: string, { fingerprint, open }: LaneSpec): Running => {
    const { sink, options, spool } = open();
    const openSpool = spools && spool && ((changed: () => void) => spools.use(name, { ...spool, changed }));
    const lane = openLane(name, sink, options, context, openSpool);
    return { name, fingerprint, sink, lane };
  };

  const connect = (running: Running) => {
    current.set(running.name, running);
    running.lane.outcome$.subscribe({
      next: (value) => outcomes.next(value),
      complete: () => draining.delete(running),
    });
    running.lane.full$.subscribe((isFull) => {
      if (isFull) fullLanes.add(running);
      else fullLanes.delete(running);
      full.set(fullLanes.size > 0);
    });
  };

  const retire = (running: Running) => {
    current.delete(running.name);
    draining.add(running);
    running.lane.close(drainMs);
  };

  const bury = (dead: Outcome, error: Letter['error'], target: string): Outcome => {
    const { backend, reason, messages } = dead;
    const letter = { backend, reason, error, attempts: 0, config: '', target, messages: [...messages] };
    return context.deadLetters.write(letter) ? dead : { ...dead, reason: unwritten(reason) };
  };

  const offer = (delivery: Delivery) => {
    const { backend, batch, target } = delivery;
    context.journal?.note({ kind: 'queued', backend, target: target.key }, batch.messages);
    const running = current.get(backend);
    if (running !== undefined) {
      running.lane.offer(delivery);
    } else {
      const dead = outcome('dead_lettered', backend, 'no_backend', batch.messages);
      outcomes.next(bury(dead, 'no backend of this name is configured', target.key));
      context.receipts?.safe(batch.messages);
    }
  };

  spools?.listen((backend, reason, messages) => {
    outcomes.next({ ...outcome('shed', backend, reason, []), unread: messages });
  });

  return {
    outcome$: outcomes.value$,
    full$: full.value$,
    reconcile: (backends) => {
      if (!closing) {
        const started = startAll(backends, current, start);
        for (const running of [...current.values()]) {
          if (backends.get(running.name)?.fingerprint !== running.fingerprint) retire(running);
        }
        for (const running of started) connect(running);
      }
      return new Map([...current].map(([name, { sink }]) => [name, sink]));
    },
    accept: (routed) => {
      if (routed.kind === 'delivery') {
        context.receipts?.admitted(routed.batch.messages);
        offer(routed);
        return;
      }
      outcomes.next(
        routed.ending === 'dead_lettered' ? bury(routed, routed.errors ?? routed.reason, '') : routed,
      );
      context.receipts?.admitted(routed.messages);
      context.receipts?.safe(routed.messages);
    },
    offer,
    unblock: () => {
      for (const { lane } of current.values()) lane.unblock();
    },
    review: () => {
      for (const { lane } of current.values()) lane.review();
    },
    stats: () => {
      const stats = new Map<string, LaneStats>();
      for (const { name, lane } of [...draining, ...current.values()]) {
        const before = stats.get(name);
        stats.set(name, before === undefined ? lane.stats() : addStats(before, lane.stats()));
      }
      return stats;
    },
    close: (deadlineMs) => {
      closing = true;
      const closed = [...current.values(), ...draining].map(({ lane }) => lane.close(deadlineMs));
      merge(...closed).subscribe({
        complete: () => {
          outcomes.complete();
          full.complete();
          end.complete();
        },
      });
      return end.value$;
    },
  };
}

/** Starts what is new or changed, all or nothing. */
function startAll(
  backends: ReadonlyMap<string, LaneSpec>,
  current: ReadonlyMap<string, Running>,
  start: (name: string, spec: LaneSpec) => Running,
): readonly Running[] {
  const started: Running[] = [];
  try {
    for (const [name, spec] of backends) {
      if (current.get(name)?.fingerprint !== spec.fingerprint) started.push(start(name, spec));
    }
  } catch (error) {
    for (const { lane } of started) lane.close(0);
    throw error;
  }
  return started;
}

/** The newer lane's state with the sums of both. */
function addStats(older: LaneStats, newer: LaneStats): LaneStats {
  return {
    ...newer,
    inFlightMessages: older.inFlightMessages + newer.inFlightMessages,
    inFlightBatches: older.inFlightBatches + newer.inFlightBatches,
    queueBytes: older.queueBytes + newer.queueBytes,
    oldestMs: Math.max(older.oldestMs, newer.oldestMs),
    offered: older.offered + newer.offered,
    sent: older.sent + newer.sent,
    retries: older.retries + newer.retries,
    abandoned: older.abandoned + newer.abandoned,
  };
}
