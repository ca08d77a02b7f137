/** What the page reads of the API's answers; docs/openapi.yaml describes them in full. */
export interface Span {
  readonly span_id: string;
  readonly parent_span_id?: string;
  readonly source: string;
  readonly name: string;
  readonly started: string;
  readonly duration_ms?: number;
  readonly state: 'running' | 'ok' | 'error' | 'abandoned';
  readonly status?: string;
  readonly before_parent?: true;
}

export interface Service {
  readonly source: string;
  readonly summary: string;
  readonly time_ms: number;
  readonly messages: number;
  readonly errors: number;
  readonly spans: number;
}

export interface Entry {
  readonly id: string;
  readonly time: string;
  readonly source: string;
  readonly type: string;
  readonly span_id?: string;
  readonly level?: string;
  readonly text: string;
}

/** Where an answer came from, and what is missing of it. */
export interface Provenance {
  readonly from: 'memory' | 'postgres';
  readonly note?: string;
}

export interface StorySummary {
  readonly job_id?: string;
  readonly trace_id?: string;
  readonly trace_ids?: readonly string[];
  readonly state: string;
  readonly started: string;
  readonly ended: string;
  readonly total_ms: number;
  readonly unattributed_ms: number;
  readonly messages: number;
  readonly errors: number;
  readonly percent?: number;
  readonly eta_ms?: number;
  readonly current_source?: string;
  readonly warnings: readonly string[];
  readonly truncated: boolean;
  readonly left_off?: number;
}

export interface Story extends StorySummary, Provenance {
  readonly services: readonly Service[];
  readonly spans?: readonly Span[];
  readonly timeline: readonly Entry[];
  readonly next?: string;
}

export interface LiveMessage extends Entry {
  readonly job_id?: string;
  readonly trace_id?: string;
  readonly record?: unknown;
  readonly backend?: string;
  readonly outcome?: string;
  readonly reason?: string;
}

export interface Reload {
  readonly time: string;
  readonly result: string;
  readonly errors: readonly string[];
}

export interface Overview {
  readonly jobs: { readonly running: readonly StorySummary[]; readonly failed: readonly StorySummary[] };
  readonly ingest: {
    readonly messages: number;
    readonly messages_per_s: number;
    readonly connections: number;
    readonly listening: readonly string[];
  };
  readonly drops: Readonly<Record<'rejected' | 'shed' | 'dead_lettered' | 'sdk', number>>;
  readonly backends: readonly {
    readonly backend: string;
    readonly circuit: string;
    readonly waiting: number;
  }[];
  readonly last_reload: Reload | null;
  readonly rejected_on_disk: boolean;
}

export interface BackendHealth {
  readonly backend: string;
  readonly type: string;
  readonly circuit: string;
  readonly next_probe_at?: string;
  readonly queue: {
    readonly messages: number;
    readonly bytes: number;
    readonly max_bytes: number;
    readonly oldest_ms: number;
  };
  readonly in_per_s: number;
  readonly out_per_s: number;
  readonly retries: number;
  readonly outcomes: readonly {
    readonly outcome: string;
    readonly reason: string;
    readonly messages: number;
  }[];
  readonly spool: { readonly bytes: number };
  readonly last_error: string;
  readonly last_error_at?: string;
}

export interface Health {
  readonly backends: readonly BackendHealth[];
  readonly ingest: {
    readonly connections: number;
    readonly messages_per_s: number;
    readonly bytes_per_s: number;
    readonly clients: readonly {
      readonly sdk: string;
      readonly version: string;
      readonly connections: number;
    }[];
    readonly rejected: readonly { readonly reason: string; readonly count: number }[];
  };
  readonly process: { readonly rss_bytes: number; readonly event_loop_lag_ms: { readonly p99: number } };
}

/** A rule of the configuration in force. */
export interface Rule {
  readonly backend: string;
  readonly enabled: boolean;
  readonly filter?: Readonly<Record<string, unknown>>;
  readonly operators: readonly { readonly use: string }[];
  readonly config: Readonly<Record<string, unknown>>;
}

export interface ConfigAnswer {
  readonly file: string;
  readonly hash: string;
  readonly loaded: string;
  readonly config: { readonly routing: Readonly<Record<string, readonly Rule[]>> };
  readonly rejected_on_disk: boolean;
  readonly history: readonly (Reload & { readonly hash: string; readonly diff: string })[];
}
