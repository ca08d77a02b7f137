/** One metric of one source with one set of tags. Times are RFC 3339. */
export interface MetricSeries {
  readonly name: string;
  readonly source: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly unit?: string;
  /** `gauge`, `counter` or `histogram`, as sent. */
  readonly kind?: string;
  readonly last?: number;
  readonly last_time?: string;
}

/** Values of one window. */
export interface MetricPoint {
  /** Its start. */
  readonly time: string;
  readonly count: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
  readonly last: number;
  /** `sum` a second; of a counter its growth a second since the value before. */
  readonly rate: number;
  readonly p50?: number;
  readonly p90?: number;
  readonly p99?: number;
}

/** A page of series, in order of name, source and tags. */
export interface SeriesPage {
  readonly series: readonly MetricSeries[];
  /** Names that the filter has, those of all pages, each counted once. */
  readonly names: number;
  /** Cursor of the next page; absent on the last one. */
  readonly next?: string;
}

/** Which series are wanted; what is absent does not matter. */
export interface SeriesFilter {
  readonly isSource: ((source: string) => boolean) | undefined;
  /** What the name has in it. */
  readonly name: string | undefined;
}

/** What is asked of a metric. */
export interface MetricQuery {
  readonly name: string;
  readonly isSource: ((source: string) => boolean) | undefined;
  /** Tags that a series has to have. */
  readonly tags: readonly (readonly [key: string, value: string])[];
  readonly fromMs: number;
  readonly toMs: number;
  /** Absent: as fine as it is kept. */
  readonly stepMs: number | undefined;
}

/** Values over time; a window without values has no point. */
export interface MetricAnswer {
  readonly name: string;
  readonly from: string;
  readonly to: string;
  /** The length of windows that was taken: at least the one asked for, and at most 2,000 points. */
  readonly step_ms: number;
  readonly series: readonly {
    readonly source: string;
    readonly tags: Readonly<Record<string, string>>;
    readonly unit?: string;
    readonly kind?: string;
    readonly points: readonly MetricPoint[];
  }[];
}

/** Metrics that programs sent, as they are remembered. Nothing here throws. */
export interface MetricWindows {
  /** At most `limit` series after `cursor`; one that is not known gives an empty page. */
  series(filter: SeriesFilter, limit: number, cursor?: string): SeriesPage;
  query(query: MetricQuery): MetricAnswer | Promise<MetricAnswer>;
}
