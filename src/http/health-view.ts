import type { JobSummary } from '../correlate/view.ts';
import type { Readiness, ReloadView } from './sources.ts';

/** Whether a backend is sent to, tried, or waited for. */
export type Circuit = 'closed' | 'half_open' | 'open';

/** A backend in a few words. */
export interface BackendChip {
  readonly backend: string;
  readonly circuit: Circuit;
  /** Until an open circuit lets a probe through; else 0. */
  readonly next_probe_ms: number;
  /** Messages in its queue and spool. */
  readonly waiting: number;
  /** '' if no send failed yet. */
  readonly last_error: string;
}

/** What `/` shows. Times are RFC 3339. */
export interface OverviewView {
  readonly time: string;
  readonly version: string;
  readonly uptime_s: number;
  readonly readiness: Readiness;
  readonly jobs: {
    /** Queued, running or stalled; the most recently active first. */
    readonly running: readonly JobSummary[];
    /** Failed or abandoned within the last hour. */
    readonly failed: readonly JobSummary[];
  };
  readonly ingest: {
    readonly messages: number;
    readonly messages_per_s: number;
    readonly connections: number;
    readonly listening: readonly string[];
  };
  /** Messages since the start. */
  readonly drops: {
    readonly rejected: number;
    readonly shed: number;
    readonly dead_lettered: number;
    /** What SDKs said that they had to drop. */
    readonly sdk: number;
  };
  readonly backends: readonly BackendChip[];
  readonly last_reload: ReloadView | null;
  readonly rejected_on_disk: boolean;
}

/** A backend in full. */
export interface BackendHealth {
  readonly backend: string;
  /** '' once it is not in the configuration any more. */
  readonly type: string;
  readonly circuit: Circuit;
  readonly next_probe_ms: number;
  readonly next_probe_at?: string;
  readonly queue: {
    readonly messages: number;
    readonly batches: number;
    readonly bytes: number;
    readonly max_bytes: number;
    readonly oldest_ms: number;
  };
  readonly in_per_s: number;
  readonly out_per_s: number;
  readonly sent: number;
  readonly retries: number;
  readonly outcomes: readonly {
    readonly outcome: string;
    readonly reason: string;
    readonly messages: number;
  }[];
  readonly spool: {
    readonly messages: number;
    readonly bytes: number;
    readonly pending_bytes: number;
    readonly recovered: number;
  };
  readonly last_error: string;
  readonly last_error_at?: string;
}

/** How backends, ingest and the process are. */
export interface HealthView {
  readonly time: string;
  /** What rates are the mean of. */
  readonly window_s: number;
  readonly backends: readonly BackendHealth[];
  readonly ingest: {
    readonly listening: readonly string[];
    readonly connections: number;
    readonly clients: readonly {
      readonly sdk: string;
      readonly version: string;
      readonly connections: number;
    }[];
    readonly messages: number;
    readonly messages_per_s: number;
    readonly bytes_per_s: number;
    readonly rejected: readonly { readonly reason: string; readonly count: number }[];
    readonly sources: readonly {
      readonly source: string;
      readonly messages: number;
      readonly messages_per_s: number;
    }[];
    readonly sdk_dropped: number;
  };
  readonly process: ProcessView;
}

/** What the process itself uses. */
export interface ProcessView {
  readonly version: string;
  readonly node: string;
  readonly pid: number;
  readonly uptime_s: number;
  readonly rss_bytes: number;
  readonly heap_used_bytes: number;
  readonly event_loop_lag_ms: { readonly p50: number; readonly p99: number; readonly max: number };
}
