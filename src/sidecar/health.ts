import type { SchedulerLike } from 'rxjs';
import type { Traces } from '../correlate/view.ts';
import type { LaneStats } from '../deliver/lane.ts';
import type { Circuit, HealthView, OverviewView } from '../http/health-view.ts';
import { isoTime } from '../message.ts';
import { labelOf } from '../metrics/label.ts';
import { createRates, type Totals } from '../metrics/rates.ts';
import type { Row } from '../metrics/tally.ts';
import type { Metrics, SpoolGauge } from '../metrics.ts';
import { jobsOfOverview } from './overview-jobs.ts';
import { rejectedOnDisk, type State } from './status.ts';

/** What health is made of; each is asked when somebody looks. */
export interface HealthParts {
  readonly version: string;
  readonly metrics: Metrics;
  readonly traces: Traces;
  readonly state: () => State;
  readonly lanes: () => ReadonlyMap<string, LaneStats>;
  readonly spools: () => readonly SpoolGauge[];
  readonly listening: () => readonly string[];
  readonly sdks: () => readonly string[];
  readonly bytesRead: () => number;
  /** Messages that SDKs said they had to drop. */
  readonly sdkDropped: () => number;
  readonly ready: () => OverviewView['readiness'];
}

/** How the sidecar is, for the page. */
export interface Health {
  overview(): OverviewView;
  health(): HealthView;
  /** Stops its clock. */
  close(): void;
}

/** Sources that are listed, those with the most messages. */
const MAX_SOURCES = 100;

/** Keeps rates; all else is read when asked for. */
export function createHealth(parts: HealthParts, scheduler: SchedulerLike): Health {
  const { metrics, state, lanes } = parts;
  const rates = createRates(() => totalsOf(parts), scheduler);
  const rate = (name: string) => rounded(rates.perSecond(name));

  const backends = (): HealthView['backends'] => {
    const { config } = state().draft;
    const outcomes = metrics.sums().outcomes;
    const spools = new Map(parts.spools().map((spool) => [spool.backend, spool]));
    return [...lanes()].map(([backend, stats]) => ({
      backend,
      type: Object.hasOwn(config.backends, backend) ? (config.backends[backend]?.type ?? '') : '',
      ...circuitOf(stats, scheduler.now()),
      queue: {
        messages: stats.inFlightMessages,
        batches: stats.inFlightBatches,
        bytes: stats.queueBytes,
        max_bytes: stats.queueMaxBytes,
        oldest_ms: stats.oldestMs,
      },
      in_per_s: rate(`in ${backend}`),
      out_per_s: rate(`out ${backend}`),
      sent: stats.sent,
      retries: stats.retries,
      outcomes: outcomes
        .filter(([[name]]) => name === labelOf(backend))
        .map(([[, outcome = '', reason = ''], messages]) => ({ outcome, reason, messages })),
      spool: spoolOf(spools.get(backend)),
      last_error: stats.lastError,
      ...(stats.lastErrorMs !== undefined && { last_error_at: isoTime(stats.lastErrorMs) }),
    }));
  };

  const ingest = (): HealthView['ingest'] => {
    const { received, rejected } = metrics.sums();
    const sdks = parts.sdks();
    return {
      listening: parts.listening(),
      connections: sdks.length,
      clients: clientsOf(sdks),
      messages: total(received),
      messages_per_s: rate('received'),
      bytes_per_s: rate('bytes'),
      rejected: rejected.map(([[reason = ''], count]) => ({ reason, count })),
      sources: [...bySource(received)]
        .sort(([, a], [, b]) => b - a)
        .slice(0, MAX_SOURCES)
        .map(([source, messages]) => ({ source, messages, messages_per_s: rate(`source ${source}`) })),
      sdk_dropped: parts.sdkDropped(),
    };
  };

  return {
    health: () => {
      const { node, pid, uptimeS, rssBytes, heapUsedBytes, lagMs } = metrics.usage();
      return {
        time: isoTime(scheduler.now()),
        window_s: rounded(rates.windowS()),
        backends: backends(),
        ingest: ingest(),
        process: {
          version: parts.version,
          node,
          pid,
          uptime_s: rounded(uptimeS),
          rss_bytes: rssBytes,
          heap_used_bytes: heapUsedBytes,
          event_loop_lag_ms: { p50: rounded(lagMs.p50), p99: rounded(lagMs.p99), max: rounded(lagMs.max) },
        },
      };
    },
    overview: () => {
      const { received, rejected, outcomes } = metrics.sums();
      const spools = new Map(parts.spools().map((spool) => [spool.backend, spool.messages]));
      const ended = (wanted: string) => total(outcomes.filter(([[, ending]]) => ending === wanted));
      return {
        time: isoTime(scheduler.now()),
        version: parts.version,
        uptime_s: rounded(metrics.usage().uptimeS),
        readiness: parts.ready(),
        jobs: jobsOfOverview(parts.traces, scheduler.now()),
        ingest: {
          messages: total(received),
          messages_per_s: rate('received'),
          connections: parts.sdks().length,
          listening: parts.listening(),
        },
        drops: {
          rejected: total(rejected),
          shed: ended('shed'),
          dead_lettered: ended('dead_lettered'),
          sdk: parts.sdkDropped(),
        },
        backends: [...lanes()].map(([backend, stats]) => {
          const { circuit, next_probe_ms } = circuitOf(stats, scheduler.now());
          const waiting = stats.inFlightMessages + (spools.get(backend) ?? 0);
          return { backend, circuit, next_probe_ms, waiting, last_error: stats.lastError };
        }),
        last_reload: state().lastReload,
        rejected_on_disk: rejectedOnDisk(state()),
      };
    },
    close: rates.close,
  };
}

const rounded = (value: number) => Math.round(value * 100) / 100;

const total = (rows: readonly Row[]) => rows.reduce((sum, [, value]) => sum + value, 0);

function bySource(rows: readonly Row[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [[source = ''], value] of rows) sums.set(source, (sums.get(source) ?? 0) + value);
  return sums;
}

/** Everything whose rate is shown. */
function totalsOf({ metrics, lanes, bytesRead }: HealthParts): Totals {
  const { received } = metrics.sums();
  const totals = new Map([
    ['received', total(received)],
    ['bytes', bytesRead()],
  ]);
  for (const [source, messages] of bySource(received)) totals.set(`source ${source}`, messages);
  for (const [backend, { offered, sent }] of lanes()) {
    totals.set(`in ${backend}`, offered);
    totals.set(`out ${backend}`, sent);
  }
  return totals;
}

function circuitOf({ breaker, nextProbeMs }: LaneStats, nowMs: number) {
  const circuit: Circuit = breaker === 'half-open' ? 'half_open' : breaker;
  return {
    circuit,
    next_probe_ms: nextProbeMs,
    ...(nextProbeMs > 0 && { next_probe_at: isoTime(nowMs + nextProbeMs) }),
  };
}

const spoolOf = (spool: SpoolGauge | undefined) => ({
  messages: spool?.messages ?? 0,
  bytes: spool?.bytes ?? 0,
  pending_bytes: spool?.pendingBytes ?? 0,
  recovered: spool?.recovered ?? 0,
});

/** Connections by what they say of themselves, `name/version`. */
function clientsOf(sdks: readonly string[]): HealthView['ingest']['clients'] {
  const counts = new Map<string, number>();
  for (const sdk of sdks) counts.set(sdk, (counts.get(sdk) ?? 0) + 1);
  return [...counts].sort().map(([sdk, connections]) => {
    const [, name = sdk, version = ''] = /^([^/]*)\/(.*)$/.exec(sdk) ?? [];
    return { sdk: name, version, connections };
  });
}
