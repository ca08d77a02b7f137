import { type Counts, outcomeRows, sumOf } from './counts.ts';
import type { SeriesGauge } from './exposed-series.ts';
import { labelOf } from './label.ts';
import type { Row } from './tally.ts';

/** What a lane shows of itself. */
export interface LaneGauge {
  readonly backend: string;
  /** Messages that the lane took and that have no outcome yet: waiting, being sent, waiting for a retry. */
  readonly messages: number;
  /** Bytes of these messages. */
  readonly bytes: number;
  /** How long the oldest of them has been in the lane, milliseconds; 0 when there is none. */
  readonly oldestMs: number;
  readonly breaker: 'closed' | 'half_open' | 'open';
}

/** What a spool shows of itself. */
export interface SpoolGauge {
  readonly backend: string;
  /** Messages in it that are in no lane. */
  readonly messages: number;
  /** Bytes of its files. */
  readonly bytes: number;
  /** Bytes that are not in them yet. */
  readonly pendingBytes: number;
  /** Messages of an earlier run that it began with. */
  readonly recovered: number;
}

/** Present values; each is called at scrapes only and costs O(backends). */
export interface Gauges {
  /** Every lane, those still draining after an edit included; of two with one name the newer is last. */
  lanes(): readonly LaneGauge[];
  /** What waits on disk, by backend. */
  spools(): readonly SpoolGauge[];
  /** Messages held back by operators, by backend. */
  held(): ReadonlyMap<string, number>;
  /** Open client connections. */
  connections(): number;
  /** Metrics that programs sent. */
  series(): SeriesGauge;
  /** Messages of earlier runs that the trace store was given. */
  restored(): number;
  /** What the trace store remembers, and how many jobs and traces it had to forget. */
  memory(): {
    readonly jobs: number;
    readonly traces: number;
    readonly messages: number;
    readonly evicted: number;
  };
}

/** Where every message meant for a backend is; `missing` is 0 unless one was lost (or, if negative, counted twice). */
export interface Balance {
  readonly backend: string;
  /** Messages received, from all sources. */
  readonly received: number;
  /** Messages for this backend beyond one per received message. */
  readonly added: number;
  /** Messages of an earlier run, found on disk. */
  readonly recovered: number;
  /** Messages with an outcome. */
  readonly ended: number;
  /** Messages in open batches, held by operators, in the lane, and on disk. */
  readonly inFlight: number;
  /** `received + added + recovered - ended - inFlight`. */
  readonly missing: number;
}

/** Draws the balance of every backend that was ever heard of, in order of their names. */
export function balancesOf(counts: Counts, gauges: Gauges): Balance[] {
  const received = counts.received.total();
  const open = received - sumOf(counts.batchedMessages.rows());
  const added = byBackend(counts.added.rows());
  const ended = byBackend(outcomeRows(counts));
  const held = byBackend(
    Array.from(gauges.held(), ([backend, messages]): Row => [[labelOf(backend)], messages]),
  );
  const queued = byBackend(lanesOf(gauges).map(({ backend, messages }): Row => [[backend], messages]));
  const spools = gauges.spools();
  const spooled = byBackend(spools.map(({ backend, messages }): Row => [[labelOf(backend)], messages]));
  const recovered = byBackend(spools.map((spool): Row => [[labelOf(spool.backend)], spool.recovered]));
  const backends = new Set([added, ended, held, queued].flatMap((sums) => [...sums.keys()]));
  return [...backends].sort().map((backend) => {
    const sum = (sums: ReadonlyMap<string, number>) => sums.get(backend) ?? 0;
    const inFlight = open + sum(held) + sum(queued) + sum(spooled);
    const missing = received + sum(added) + sum(recovered) - sum(ended) - inFlight;
    return {
      backend,
      received,
      added: sum(added),
      recovered: sum(recovered),
      ended: sum(ended),
      inFlight,
      missing,
    };
  });
}

function byBackend(rows: readonly Row[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [[backend = ''], value] of rows) sums.set(backend, (sums.get(backend) ?? 0) + value);
  return sums;
}

/** One row a backend: after an edit of its section the old lane drains beside the new, whose breaker counts. */
export function lanesOf(gauges: Gauges): LaneGauge[] {
  const lanes = new Map<string, LaneGauge>();
  for (const lane of gauges.lanes()) {
    const backend = labelOf(lane.backend);
    lanes.set(backend, together(lanes.get(backend), { ...lane, backend }));
  }
  return [...lanes.values()];
}

function together(old: LaneGauge | undefined, lane: LaneGauge): LaneGauge {
  if (old === undefined) return lane;
  const messages = old.messages + lane.messages;
  return {
    ...lane,
    messages,
    bytes: old.bytes + lane.bytes,
    oldestMs: Math.max(old.oldestMs, lane.oldestMs),
  };
}
