import type { Registry } from 'prom-client';
import { exposeCounter, exposeGauge } from './exposition.ts';
import { labelOf } from './label.ts';
import type { Row } from './tally.ts';

/** What is shown of one series. */
export interface ExposedSeries {
  readonly name: string;
  readonly source: string;
  readonly tags: readonly (readonly [key: string, value: string])[];
  readonly unit: string;
  readonly last: number;
  readonly count: number;
  readonly sum: number;
  readonly history: {
    readonly fine: {
      latest(): { readonly p50: number; readonly p90: number; readonly p99: number } | undefined;
    };
  };
}

/** The metrics that programs sent, and what became of values that no window took. */
export interface SeriesGauge {
  readonly series: number;
  readonly late: number;
  readonly overflow: number;
  readonly all: Iterable<ExposedSeries>;
}

export const NO_SERIES: SeriesGauge = { series: 0, late: 0, overflow: 0, all: [] };

const LABELS = ['source', 'name', 'tags', 'unit'];
const QUANTILES = [
  ['0.5', 'p50'],
  ['0.9', 'p90'],
  ['0.99', 'p99'],
] as const;

/** Exposes the metrics that programs sent, by source, name, tags (`k=v,…`) and unit. */
export function exposeSeries(registry: Registry, gauge: () => SeriesGauge): void {
  const rowsOf = (of: (series: ExposedSeries) => number): Row[] =>
    distinct(Array.from(gauge().all, (series): Row => [labelsOf(series), of(series)]));
  exposeGauge(registry, {
    name: 'sidecar_metric_last',
    help: 'The last value that a program sent of a metric, of its resource use or its progress.',
    labels: LABELS,
    read: () => rowsOf(({ last }) => last),
  });
  exposeCounter(registry, {
    name: 'sidecar_metric_values_total',
    help: 'Values that programs sent, by series; those of series beyond the cap are of _other.',
    labels: LABELS,
    read: () => rowsOf(({ count }) => count),
  });
  exposeGauge(registry, {
    name: 'sidecar_metric_sum',
    help: 'Sum of the values that programs sent, by series.',
    labels: LABELS,
    read: () => rowsOf(({ sum }) => sum),
  });
  exposeGauge(registry, {
    name: 'sidecar_metric_quantile',
    help: 'Quantiles of the values of the last finished window, by series.',
    labels: [...LABELS, 'quantile'],
    read: () => distinct(Array.from(gauge().all).flatMap(quantileRows)),
  });
  exposeCounter(registry, {
    name: 'sidecar_metric_values_late_total',
    help: 'Values that came after their window had closed, and are in no sum.',
    labels: [],
    read: () => [[[], gauge().late]],
  });
  exposeCounter(registry, {
    name: 'sidecar_metric_values_overflow_total',
    help: 'Values of series beyond metrics.max_series.',
    labels: [],
    read: () => [[[], gauge().overflow]],
  });
  exposeGauge(registry, {
    name: 'sidecar_metric_series',
    help: 'Series that are told apart.',
    labels: [],
    read: () => [[[], gauge().series]],
  });
}

/** Labels are shortened, and a scrape with the same ones twice is refused whole: the first row stands. */
const distinct = (rows: readonly Row[]): Row[] => [
  ...new Map([...rows].reverse().map((row) => [JSON.stringify(row[0]), row])).values(),
];

const labelsOf = ({ source, name, tags, unit }: ExposedSeries): string[] => [
  labelOf(source),
  labelOf(name),
  labelOf(tags.map(([key, value]) => `${key}=${value}`).join(',')),
  labelOf(unit),
];

function quantileRows(series: ExposedSeries): Row[] {
  const latest = series.history.fine.latest();
  if (latest === undefined) return [];
  const labels = labelsOf(series);
  return QUANTILES.map(([quantile, key]): Row => [[...labels, quantile], latest[key]]);
}
