import { useEffect, useRef } from 'preact/hooks';
import { clock, count } from '../format.ts';
import { Page, ServiceName } from '../parts.tsx';
import { useRemote } from '../remote.ts';
import { adjust, param } from '../router.ts';
import { visible } from '../visible.ts';

interface Series {
  readonly name: string;
  readonly source: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly unit?: string;
}
type Point = { readonly time: string } & Readonly<Partial<Record<Statistic, number>>>;
interface Lines {
  readonly from: string;
  readonly to: string;
  readonly series: readonly {
    readonly source: string;
    readonly tags: Readonly<Record<string, string>>;
    readonly points: readonly Point[];
  }[];
}

const STATISTICS = ['last', 'min', 'max', 'sum', 'count', 'rate', 'p50', 'p90', 'p99'] as const;
type Statistic = (typeof STATISTICS)[number];
const statistic = (): Statistic => STATISTICS.find((name) => name === param('stat')) ?? 'last';

/** `key:value` of every tag, as the API takes it. */
const tagsOf = (series: readonly Series[]) =>
  [
    ...new Set(series.flatMap(({ tags }) => Object.entries(tags).map(([key, value]) => `${key}:${value}`))),
  ].sort();

const SPANS = ['5m', '15m', '1h', '6h', '24h'];
const MAX_PANELS = 6;

/** The metrics that programs sent, over time. */
export function MetricsPage() {
  const { data, error } = useRemote<{ series: Series[] }>('/api/v1/metrics/series?limit=200', 0, 10_000);
  const names = [...new Set(data?.series.map(({ name }) => name))].filter((name) =>
    name.includes(param('text')),
  );
  const choose = (name: string, label: string, usual: string, values: readonly string[]) => (
    <select
      aria-label={label}
      value={param(name) || usual}
      onChange={(event) => adjust(name, event.currentTarget.value)}
    >
      {values.map((value) => (
        <option key={value} value={value}>
          {visible(value) || 'every tag'}
        </option>
      ))}
    </select>
  );
  const tools = (
    <div class="tools">
      <input
        data-filter
        type="search"
        aria-label="Filter metrics"
        placeholder="Filter  /"
        value={param('text')}
        onInput={(event) => adjust('text', event.currentTarget.value)}
      />
      {choose('tag', 'Tag', '', [...new Set(['', param('tag'), ...tagsOf(data?.series ?? [])])])}
      {choose('stat', 'Statistic', 'last', STATISTICS)}
      {choose('from', 'Time span', '1h', SPANS)}
    </div>
  );
  return (
    <Page title="Metrics" error={error} tools={tools}>
      {data && names.length === 0 && (
        <p class="dim">
          No metric like this came yet. They are summed up where the configuration has{' '}
          <code>metrics.aggregate: true</code>.
        </p>
      )}
      <div class="panels">
        {names.slice(0, MAX_PANELS).map((name) => (
          <Panel key={name} name={name} unit={data?.series.find((one) => one.name === name)?.unit ?? ''} />
        ))}
      </div>
      {names.length > MAX_PANELS && <p class="dim">{names.length - MAX_PANELS} more: filter to see them.</p>}
    </Page>
  );
}

const linesOf = ({ series }: Lines, shown: Statistic) =>
  series.map(({ source, tags, points }) => ({
    source,
    label: Object.entries(tags)
      .map((pair) => pair.join(':'))
      .join(' '),
    points: points.flatMap(({ time, [shown]: value }) => (value === undefined ? [] : { time, value })),
  }));

function Panel({ name, unit }: { name: string; unit: string }) {
  const query = new URLSearchParams({ name, from: param('from') || '1h' });
  if (param('tag')) query.set('tag', param('tag'));
  const shown = statistic();
  const { data } = useRemote<Lines>(`/api/v1/metrics/query?${query}`, 0, 10_000);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!data || !box.current) return;
    const target = box.current;
    let plot: { destroy(): void } | undefined;
    let gone = false;
    void import('./chart.ts').then(({ draw }) => {
      if (!gone) plot = draw(target, linesOf(data, shown), data);
    });
    return () => {
      gone = true;
      plot?.destroy();
    };
  }, [data, shown]);
  const lines = data && linesOf(data, shown);
  const last = lines?.flatMap(({ label, source, points }) => {
    const point = points.at(-1);
    return point ? [{ label, source, point }] : [];
  });
  return (
    <figure class="card">
      <figcaption>
        <h2>
          {visible(name)} <span class="dim">{visible(unit)}</span>
        </h2>
        {last?.map(({ label, source, point }) => (
          <p key={`${source} ${label}`}>
            <ServiceName name={source} /> {visible(label)} {count(point.value)}{' '}
            <span class="dim">at {clock(point.time)}</span>
          </p>
        ))}
      </figcaption>
      {last?.length === 0 && <p class="dim">No window with its {shown} has ended yet.</p>}
      <div ref={box} class="plot" aria-hidden="true" />
      <details>
        <summary>Show table</summary>
        <table>
          <tbody>
            {lines?.flatMap(({ source, label, points }) =>
              points.slice(-100).map(({ time, value }) => (
                <tr key={`${source} ${label} ${time}`}>
                  <td>
                    {visible(source)} {visible(label)}
                  </td>
                  <td>{clock(time)}</td>
                  <td class="num">{count(value)}</td>
                </tr>
              )),
            )}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
