import { Counter, Gauge, type Registry } from 'prom-client';
import type { Row } from './tally.ts';

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

/** A metric as it is exposed; `read` is called at every scrape and only then. */
export interface Exposed extends Described {
  read(): Iterable<Row>;
}

/** A value, and its labels by name; those of `sharedLabels` are formatted once, as long as it is the same object. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly sharedLabels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric of many values, of which each scrape would format the same labels again. */
export interface ExposedSamples extends Described {
  readonly type: 'counter' | 'gauge';
  samples(): Iterable<Sample>;
}

/** Exposes counts that only grow. */
export function exposeCounter(registry: Registry, exposed: Exposed): void {
  exposeSamples(registry, { ...exposed, type: 'counter', samples: () => samplesOf(exposed) });
}

/** Exposes values that rise and fall. */
export function exposeGauge(registry: Registry, exposed: Exposed): void {
  exposeSamples(registry, { ...exposed, type: 'gauge', samples: () => samplesOf(exposed) });
}

/**
 * Exposes samples as they are. Replaces the library's store of values: it keys series by joining `name:value,`, so two
 * series with hostile label values could fall into one.
 */
export function exposeSamples(registry: Registry, { type, samples, ...described }: ExposedSamples): void {
  const Metric = type === 'counter' ? Counter : Gauge;
  const { name, help, labels } = described;
  const metric = new Metric({ name, help, labelNames: [...labels], registers: [registry] });
  const describe = metric.get.bind(metric);
  metric.get = async () => {
    // Read before the first await: one scrape shows one moment, so its series add up.
    const values = Array.from(samples());
    return { ...(await describe()), values };
  };
}

const samplesOf = ({ labels, read }: Exposed): Iterable<Sample> =>
  Array.from(read(), ([values, value]) => ({
    labels: Object.fromEntries(labels.map((label, at) => [label, values[at] ?? ''])),
    value,
  }));
