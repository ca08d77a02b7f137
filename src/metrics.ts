import { setImmediate as nextTurn } from 'node:timers/promises';
import { Registry } from 'prom-client';
import type { SchedulerLike } from 'rxjs';
import { type Balance, balancesOf, type Gauges, lanesOf, type SpoolGauge } from './metrics/balance.ts';
import { type Counts, createCounts, createRecorder, outcomeRows, type Recorder } from './metrics/counts.ts';
import { exposeSeries, NO_SERIES } from './metrics/exposed-series.ts';
import { exposeCounter, exposeGauge } from './metrics/exposition.ts';
import { labelOf } from './metrics/label.ts';
import { addProcessMetrics, createEventLoopLag, type Usage, usageOf } from './metrics/runtime.ts';
import type { Row, Tally } from './metrics/tally.ts';

export type { Balance, Gauges, LaneGauge, SpoolGauge } from './metrics/balance.ts';
export type { ReloadResult } from './metrics/counts.ts';

export interface MetricsOptions {
  /** The sidecar's version, for `sidecar_build_info`. */
  readonly version: string;
  /** Distinct sources with series of their own; the others share `_other`. Default 1,000. */
  readonly maxSources?: number;
}

/** Sums since the start. */
export interface Sums {
  /** By source and type. */
  readonly received: readonly Row[];
  /** By reason. */
  readonly rejected: readonly Row[];
  /** By backend, ending and reason. */
  readonly outcomes: readonly Row[];
}

/** All counts of one sidecar. Two of them in one process share nothing but the process's own metrics. */
export interface Metrics extends Recorder {
  /** Says where present values come from; replaces those named, keeps the others. */
  watch(gauges: Partial<Gauges>): void;
  /** Where every message is, one row a backend; exact between two turns of the event loop. */
  balances(): readonly Balance[];
  /** Everything that is counted and shown elsewhere than in `text`. */
  sums(): Sums;
  /** What the process itself uses. */
  usage(): Usage;
  readonly contentType: string;
  /**
   * The Prometheus text exposition, version 0.0.4: what the sidecar counts as of one moment, then what programs sent, a
   * metric a turn of the event loop. Rejects when a gauge throws.
   */
  text(): Promise<string>;
  /** Stops sampling the event loop. */
  close(): void;
}

const NO_GAUGES: Gauges = {
  lanes: () => [],
  spools: () => [],
  held: () => new Map(),
  connections: () => 0,
  series: () => NO_SERIES,
  restored: () => 0,
  memory: () => ({ jobs: 0, traces: 0, messages: 0, evicted: 0 }),
};

/** Creates the counts, at zero, and their own registry. */
export function createMetrics(options: MetricsOptions, scheduler: SchedulerLike): Metrics {
  const counts = createCounts(options.maxSources ?? 1000);
  const lag = createEventLoopLag(scheduler);
  const registry = new Registry();
  const ofPrograms = new Registry();
  let gauges = NO_GAUGES;
  exposeFlow(registry, counts, () => gauges);
  exposeLanes(registry, () => gauges);
  exposeMemory(registry, () => gauges);
  exposeSeries(ofPrograms, () => gauges.series());
  exposeSidecar(registry, counts, options.version);
  exposeGauge(registry, {
    name: 'sidecar_event_loop_lag_seconds',
    help: 'How late timers ran since the last scrape that was at least 10 s ago, by quantile; 1 is the worst.',
    labels: ['quantile'],
    read: lag.rows,
  });
  addProcessMetrics(registry);
  return {
    ...createRecorder(counts),
    watch: (watched) => {
      gauges = { ...gauges, ...watched };
    },
    balances: () => balancesOf(counts, gauges),
    sums: () => ({
      received: counts.received.rows(),
      rejected: counts.rejected.rows(),
      outcomes: outcomeRows(counts),
    }),
    usage: () => usageOf(lag),
    contentType: registry.contentType,
    text: async () => {
      const texts = [await registry.metrics()];
      for (const { name } of ofPrograms.getMetricsAsArray()) {
        // There may be thousands of values, and messages come meanwhile.
        await nextTurn();
        texts.push(`${await ofPrograms.getSingleMetricAsString(name)}\n`);
      }
      return texts.join('\n');
    },
    close: lag.close,
  };
}

const CONSERVATION =
  'For every backend: sum(sidecar_received_total) + sidecar_added_total + sidecar_recovered_total = sum(sidecar_outcomes_total) + sidecar_in_flight.';

function exposeFlow(registry: Registry, counts: Counts, gauges: () => Gauges): void {
  exposeCounter(registry, {
    name: 'sidecar_received_total',
    help: `Messages received, by source and type; what is beyond the cap counts as _other. ${CONSERVATION}`,
    labels: ['source', 'type'],
    read: counts.received.rows,
  });
  exposeCounter(registry, {
    name: 'sidecar_added_total',
    help: `Messages for a backend beyond one per received message: by a second rule or made by an operator. ${CONSERVATION}`,
    labels: ['backend'],
    read: counts.added.rows,
  });
  exposeCounter(registry, {
    name: 'sidecar_recovered_total',
    help: `Messages for a backend that an earlier run had left on disk. ${CONSERVATION}`,
    labels: ['backend'],
    read: () => spoolRows(gauges(), ({ recovered }) => recovered),
  });
  exposeCounter(registry, {
    name: 'sidecar_outcomes_total',
    help: `What became of messages at a backend: delivered, filtered, shed or dead_lettered, and why. ${CONSERVATION}`,
    labels: ['backend', 'outcome', 'reason'],
    read: () => outcomeRows(counts),
  });
  exposeGauge(registry, {
    name: 'sidecar_in_flight',
    help: `Messages without an outcome yet: in open batches, held by operators, in the backend's lane, or on disk. ${CONSERVATION}`,
    labels: ['backend'],
    read: () => balancesOf(counts, gauges()).map(({ backend, inFlight }): Row => [[backend], inFlight]),
  });
}

const spoolRows = (gauges: Gauges, of: (spool: SpoolGauge) => number): Row[] =>
  gauges.spools().map((spool): Row => [[labelOf(spool.backend)], of(spool)]);

const BREAKER_STATES = { closed: 0, half_open: 1, open: 2 } as const;

function exposeLanes(registry: Registry, gauges: () => Gauges): void {
  exposeGauge(registry, {
    name: 'sidecar_queue_bytes',
    help: 'Bytes of the messages in the lane of a backend, waiting or being sent.',
    labels: ['backend'],
    read: () => lanesOf(gauges()).map(({ backend, bytes }): Row => [[backend], bytes]),
  });
  exposeGauge(registry, {
    name: 'sidecar_spool_messages',
    help: 'Messages that wait on disk for a backend.',
    labels: ['backend'],
    read: () => spoolRows(gauges(), ({ messages }) => messages),
  });
  exposeGauge(registry, {
    name: 'sidecar_spool_bytes',
    help: 'Bytes of the files in which messages wait for a backend.',
    labels: ['backend'],
    read: () => spoolRows(gauges(), ({ bytes }) => bytes),
  });
  exposeGauge(registry, {
    name: 'sidecar_spool_pending_bytes',
    help: 'Bytes of messages that wait to be written to these files.',
    labels: ['backend'],
    read: () => spoolRows(gauges(), ({ pendingBytes }) => pendingBytes),
  });
  exposeGauge(registry, {
    name: 'sidecar_oldest_seconds',
    help: 'How long the oldest message has been in the lane of a backend; 0 when it is empty.',
    labels: ['backend'],
    read: () => lanesOf(gauges()).map(({ backend, oldestMs }): Row => [[backend], oldestMs / 1000]),
  });
  exposeGauge(registry, {
    name: 'sidecar_breaker_state',
    help: 'Circuit breaker of a backend: 0 closed (sending), 1 half-open (one probe), 2 open (waiting).',
    labels: ['backend'],
    read: () => lanesOf(gauges()).map(({ backend, breaker }): Row => [[backend], BREAKER_STATES[breaker]]),
  });
  exposeGauge(registry, {
    name: 'sidecar_connections',
    help: 'Open client connections.',
    labels: [],
    read: () => [[[], gauges().connections()]],
  });
}

function exposeMemory(registry: Registry, gauges: () => Gauges): void {
  const memory = () => gauges().memory();
  exposeGauge(registry, {
    name: 'sidecar_remembered',
    help: 'Jobs, traces and messages that the trace store holds.',
    labels: ['what'],
    read: () => {
      const { jobs, traces, messages } = memory();
      return Object.entries({ jobs, traces, messages }).map(([what, count]): Row => [[what], count]);
    },
  });
  exposeCounter(registry, {
    name: 'sidecar_forgotten_total',
    help: 'Jobs and traces that the trace store forgot at its bound.',
    labels: [],
    read: () => [[[], memory().evicted]],
  });
  exposeCounter(registry, {
    name: 'sidecar_restored_total',
    help: 'Messages of earlier runs that the trace store was given after the start.',
    labels: [],
    read: () => [[[], gauges().restored()]],
  });
}

function exposeSidecar(registry: Registry, counts: Counts, version: string): void {
  const tally = (name: string, label: string, help: string, { rows }: Tally) =>
    exposeCounter(registry, { name, help, labels: [label], read: rows });
  tally(
    'sidecar_rejected_total',
    'reason',
    'Frames, lines and connections refused, and why.',
    counts.rejected,
  );
  tally('sidecar_batches_total', 'reason', 'Batches closed, and why.', counts.batches);
  tally('sidecar_batched_messages_total', 'reason', 'Messages in closed batches.', counts.batchedMessages);
  tally(
    'sidecar_reloads_total',
    'result',
    'Configurations read: applied, rejected or unchanged.',
    counts.reloads,
  );
  tally('sidecar_operator_errors_total', 'file', 'Failures of operators, by file.', counts.operatorErrors);
  exposeGauge(registry, {
    name: 'sidecar_build_info',
    help: 'Always 1; the label is the version of the sidecar.',
    labels: ['version'],
    read: () => [[[version], 1]],
  });
}
