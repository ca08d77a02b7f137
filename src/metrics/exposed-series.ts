import type { Registry } from 'prom-client';
import { exposeCounter, exposeGauge, exposeSamples, type Sample } from './exposition.ts';
import { labelOf } from './label.ts';

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

/** Before anything is watched. */
export const NO_SERIES: SeriesGauge = { series: 0, late: 0, overflow: 0, all: [] };

const LABELS = ['source', 'name', 'tags', 'unit'];
const QUANTILES = [
  ['0.5', 'p50'],
  ['0.9', 'p90'],
  ['0.99', 'p99'],
] as const;

/** Exposes the metrics that programs sent, by source, name, tags (`k=v,…`) and unit. */
export function exposeSeries(registry: Registry, gauge: () => SeriesGauge): void {
  const exposeEach = (
    type: 'counter' | 'gauge',
    name: string,
    help: string,
    of: (one: ExposedSeries) => number,
  ) =>
    exposeSamples(registry, {
      ...{ type, name, help, labels: LABELS },
      samples: () => samplesOf(gauge().all, (series) => [{ labels: {}, value: of(series) }]),
    });
  exposeEach(
    'gauge',
    'sidecar_metric_last',
    'The last value that a program sent of a metric, of its resource use or its progress.',
    ({ last }) => last,
  );
  exposeEach(
    'counter',
    'sidecar_metric_values_total',
    'Values that programs sent, by series; those of series beyond the cap are of _other.',
    ({ count }) => count,
  );
  exposeEach(
    'gauge',
    'sidecar_metric_sum',
    'Sum of the values that programs sent, by series.',
    ({ sum }) => sum,
  );
  exposeSamples(registry, {
    type: 'gauge',
    name: 'sidecar_metric_quantile',
    help: 'Quantiles of the values of the last finished window, by series.',
    labels: [...LABELS, 'quantile'],
    samples: () => samplesOf(gauge().all, quantilesOf),
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

/** The samples of each series. Labels are shortened, and a scrape with the same ones twice is refused whole: the first series stands. */
function* samplesOf(
  all: Iterable<ExposedSeries>,
  each: (series: ExposedSeries) => readonly Sample[],
): Generator<Sample> {
  const seen = new Set<string>();
  for (const series of all) {
    const { key, labels } = labelsOf(series);
    if (seen.has(key)) continue;
    seen.add(key);
    for (const sample of each(series)) yield { ...sample, sharedLabels: labels };
  }
}

interface SeriesLabels {
  readonly key: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** Of series that were shown: with a thousand of them, their labels were most of what a scrape cost. */
const known = new WeakMap<ExposedSeries, SeriesLabels>();

function labelsOf(series: ExposedSeries): SeriesLabels {
  const found = known.get(series);
  if (found !== undefined) return found;
  const { source, name, tags, unit } = series;
  const joined = tags.map(([key, value]) => `${key}=${value}`).join(',');
  const labels = {
    source: labelOf(source),
    name: labelOf(name),
    tags: labelOf(joined),
    unit: labelOf(unit),
  };
  const made = { key: JSON.stringify(Object.values(labels)), labels };
  known.set(series, made);
  return made;
}

function quantilesOf({ history }: ExposedSeries): readonly Sample[] {
  const latest = history.fine.latest();
  if (latest === undefined) return [];
  return QUANTILES.map(([quantile, key]) => ({ labels: { quantile }, value: latest[key] }));
}
