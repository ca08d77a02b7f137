import { Counter, Gauge, type Registry } from 'prom-client';
import type { Row } from './tally.ts';

/** A metric as it is exposed; `read` is called at every scrape and only then. */
export interface Exposed {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
  read(): Iterable<Row>;
}

/** Exposes counts that only grow. */
export function exposeCounter(registry: Registry, exposed: Exposed): void {
  readFrom(exposed, new Counter(configurationOf(registry, exposed)));
}

/** Exposes values that rise and fall. */
export function exposeGauge(registry: Registry, exposed: Exposed): void {
  readFrom(exposed, new Gauge(configurationOf(registry, exposed)));
}

const configurationOf = (registry: Registry, { name, help, labels }: Exposed) => ({
  name,
  help,
  labelNames: [...labels],
  registers: [registry],
});

/**
 * Replaces the library's store of values: it keys series by joining `name:value,`, so two series with hostile
 * label values could fall into one.
 */
function readFrom(exposed: Exposed, metric: Counter | Gauge): void {
  const describe = metric.get.bind(metric);
  metric.get = async () => {
    // Read before the first await: one scrape shows one moment, so its series add up.
    const values = Array.from(exposed.read(), (row) => sampleOf(exposed, row));
    return { ...(await describe()), values };
  };
}

const sampleOf = ({ labels }: Exposed, [values, value]: Row) => ({
  labels: Object.fromEntries(labels.map((label, at) => [label, values[at] ?? ''])),
  value,
});
