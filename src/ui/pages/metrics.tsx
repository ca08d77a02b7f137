import { useEffect, useRef } from 'preact/hooks';
import { clock, count } from '../format.ts';
import { Page, ServiceName } from '../parts.tsx';
import { useRemote } from '../remote.ts';
import { adjust, param } from '../router.ts';
import { visible } from '../visible.ts';

interface Series {
  readonly name: string;
  readonly source: string;
  readonly unit?: string;
}
interface Point {
  readonly time: string;
  readonly last: number;
}
interface Lines {
  readonly series: readonly { readonly source: string; readonly points: readonly Point[] }[];
}

const SPANS = ['5m', '15m', '1h', '6h', '24h'];
const MAX_PANELS = 6;

/** The metrics that programs sent, over time. */
export function MetricsPage() {
  const { data, error } = useRemote<{ series: Series[] }>('/api/v1/metrics/series?limit=200', 0, 10_000);
  const names = [...new Set(data?.series.map(({ name }) => name))].filter((name) =>
    name.includes(param('text')),
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
      <select
        aria-label="Time span"
        value={param('from') || '1h'}
        onChange={(event) => adjust('from', event.currentTarget.value)}
      >
        {SPANS.map((span) => (
          <option key={span}>{span}</option>
        ))}
      </select>
    </div>
  );
  return (
    <Page title="Metrics" error={error} tools={tools}>
      {data && names.length === 0 && <p class="dim">No metric like this came yet.</p>}
      <div class="panels">
        {names.slice(0, MAX_PANELS).map((name) => (
          <Panel key={name} name={name} unit={data?.series.find((one) => one.name === name)?.unit ?? ''} />
        ))}
      </div>
      {names.length > MAX_PANELS && <p class="dim">{names.length - MAX_PANELS} more: filter to see them.</p>}
    </Page>
  );
}

function Panel({ name, unit }: { name: string; unit: string }) {
  const query = new URLSearchParams({ name, from: param('from') || '1h' });
  const { data } = useRemote<Lines>(`/api/v1/metrics/query?${query}`, 0, 10_000);
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (!data || !box.current) return;
    const target = box.current;
    let plot: { destroy(): void } | undefined;
    let gone = false;
    void import('./chart.ts').then(({ draw }) => {
      if (!gone) plot = draw(target, data.series);
    });
    return () => {
      gone = true;
      plot?.destroy();
    };
  }, [data]);
  const last = data?.series.flatMap(({ source, points }) => {
    const point = points.at(-1);
    return point ? [{ source, point }] : [];
  });
  return (
    <figure class="card">
      <figcaption>
        <h2>
          {visible(name)} <span class="dim">{visible(unit)}</span>
        </h2>
        {last?.map(({ source, point }) => (
          <p key={source}>
            <ServiceName name={source} /> {count(point.last)} <span class="dim">at {clock(point.time)}</span>
          </p>
        ))}
      </figcaption>
      {last?.length === 0 && <p class="dim">Its first window has not ended yet.</p>}
      <div ref={box} class="plot" aria-hidden="true" />
      <details>
        <summary>Show table</summary>
        <table>
          <tbody>
            {data?.series.flatMap(({ source, points }) =>
              points.slice(-100).map(({ time, last: value }) => (
                <tr key={`${source} ${time}`}>
                  <td>{visible(source)}</td>
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
