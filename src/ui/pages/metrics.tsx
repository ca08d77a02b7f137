import { useEffect, useRef, useState } from 'preact/hooks';
import { clock, count, figure, huesOf } from '../format.ts';
import { FilterBox, Page, ServiceName } from '../parts.tsx';
import { useRemote } from '../remote.ts';
import { adjust, param } from '../router.ts';
import { visible } from '../visible.ts';
import { namesOf, type Series, type SeriesPage, useSeries } from './series.ts';

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
const USUAL_SPAN = '15m';
/** Charts at first, and whenever more are wanted. */
const PANELS = 6;

/** The metrics that programs sent, over time. */
export function MetricsPage() {
  const [most, setMost] = useState(PANELS);
  const { data, error } = useSeries(param('text'), most);
  const shown = namesOf(data?.series ?? []).slice(0, most);
  const more = (data?.names ?? 0) - shown.length;
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
      <FilterBox of="metrics" onInput={(event) => adjust('text', event.currentTarget.value)} />
      {choose('tag', 'Tag', '', [...new Set(['', param('tag'), ...tagsOf(data?.series ?? [])])])}
      {choose('stat', 'Statistic', 'last', STATISTICS)}
      {choose('from', 'Time span', USUAL_SPAN, SPANS)}
    </div>
  );
  return (
    <Page title="Metrics" error={error} tools={tools}>
      {data?.names === 0 && <NoMetric />}
      <div class="panels">
        {shown.map((name) => (
          <Panel key={name} name={name} unit={data?.series.find((one) => one.name === name)?.unit ?? ''} />
        ))}
      </div>
      {more > 0 && (
        <p class="dim">
          {count(more)} more: filter to see them.{' '}
          <button type="button" onClick={() => setMost(most + PANELS)}>
            Show {Math.min(more, PANELS)} more
          </button>
        </p>
      )}
    </Page>
  );
}

/** Why nothing is shown: other metrics are there, or none at all. */
function NoMetric() {
  const { data } = useRemote<SeriesPage>('/api/v1/metrics/series?limit=1', 0, 10_000);
  if (data === undefined) return null;
  if (data.names > 0) return <p class="dim">No metric has this in its name.</p>;
  return (
    <p class="dim">
      No metric came yet. They are summed up where the configuration has <code>metrics.aggregate: true</code>.
    </p>
  );
}

function linesOf({ series }: Lines, shown: Statistic) {
  const hues = huesOf(series.map(({ source }) => source));
  return series.map(({ source, tags, points }, at) => ({
    source,
    hue: hues[at] ?? 0,
    label: Object.entries(tags)
      .map((pair) => pair.join(':'))
      .join(' '),
    points: points.flatMap(({ time, [shown]: value }) => (value === undefined ? [] : { time, value })),
  }));
}

function Panel({ name, unit }: { name: string; unit: string }) {
  const query = new URLSearchParams({ name, from: param('from') || USUAL_SPAN });
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
  const last = lines?.flatMap(({ label, source, hue, points }) => {
    const point = points.at(-1);
    return point ? [{ label, source, hue, point }] : [];
  });
  return (
    <figure class="card">
      <figcaption>
        <h2>
          {visible(name)} <span class="dim">{visible(unit)}</span>
        </h2>
        {last?.map(({ label, source, hue, point }) => (
          <p key={`${source} ${label}`}>
            <ServiceName name={source} hue={hue} /> {visible(label)} {figure(point.value)}{' '}
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
                  <td class="num">{figure(value)}</td>
                </tr>
              )),
            )}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
