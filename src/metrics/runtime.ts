import { monitorEventLoopDelay } from 'node:perf_hooks';
import { memoryUsage, pid, uptime, version } from 'node:process';
import { collectDefaultMetrics, Registry } from 'prom-client';
import type { SchedulerLike } from 'rxjs';
import type { Row } from './tally.ts';

/** Without the library's event-loop lag, which reads 10 ms on an idle loop, and its lists of handles. */
const SHOWN = /^(process_|nodejs_(heap_size|external_memory|gc_|version))/;

let processRegistry: Registry | undefined;

/** Adds memory, CPU, heap and garbage collection under their usual names; they describe the process, not an instance. */
export function addProcessMetrics(registry: Registry): void {
  if (processRegistry === undefined) {
    processRegistry = new Registry();
    // The coarse precision is for the lag metric that is not shown: its timer need not wake the process often.
    collectDefaultMetrics({ register: processRegistry, eventLoopMonitoringPrecision: 1000 });
  }
  for (const { name } of processRegistry.getMetricsAsArray()) {
    const metric = SHOWN.test(name) ? processRegistry.getSingleMetric(name) : undefined;
    if (metric !== undefined) registry.registerMetric(metric);
  }
}

/** How late timers run. */
export interface EventLoopLag {
  /** Seconds by quantile, since the last reading that was at least 10 s ago. */
  rows(): Row[];
  close(): void;
}

const RESOLUTION_MS = 20;
const MIN_WINDOW_MS = 10_000;
const QUANTILES = [0.5, 0.9, 0.99, 1];

/** Samples the event loop's delay every 20 ms until closed; does not keep the process alive. */
export function createEventLoopLag(scheduler: SchedulerLike): EventLoopLag {
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  let sinceMs = scheduler.now();

  // The histogram records the time from timer to timer, which is the resolution when nothing is late.
  const lagSeconds = (quantile: number) =>
    delay.count === 0 ? 0 : Math.max(0, delay.percentile(quantile * 100) / 1e9 - RESOLUTION_MS / 1000);

  return {
    rows: () => {
      const rows = QUANTILES.map((quantile): Row => [[String(quantile)], lagSeconds(quantile)]);
      // Two scrapers must not leave each other an empty window.
      if (scheduler.now() - sinceMs >= MIN_WINDOW_MS) {
        delay.reset();
        sinceMs = scheduler.now();
      }
      return rows;
    },
    close: () => {
      delay.disable();
    },
  };
}

/** What the process itself uses. */
export interface Usage {
  readonly node: string;
  readonly pid: number;
  readonly uptimeS: number;
  readonly rssBytes: number;
  readonly heapUsedBytes: number;
  /** How late timers run, by quantile, milliseconds. */
  readonly lagMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

/** Asks the process what it uses now. */
export function usageOf(lag: EventLoopLag): Usage {
  const { rss, heapUsed } = memoryUsage();
  const lags = new Map(lag.rows().map(([[quantile], seconds]) => [quantile, seconds * 1000]));
  return {
    node: version,
    pid,
    uptimeS: uptime(),
    rssBytes: rss,
    heapUsedBytes: heapUsed,
    lagMs: { p50: lags.get('0.5') ?? 0, p99: lags.get('0.99') ?? 0, max: lags.get('1') ?? 0 },
  };
}
