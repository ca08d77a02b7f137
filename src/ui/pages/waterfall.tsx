import { useLayoutEffect, useMemo, useRef, useState } from 'preact/hooks';
import { duration, hueOf } from '../format.ts';
import { bind } from '../keys.ts';
import { ServiceName, State } from '../parts.tsx';
import { useNow } from '../remote.ts';
import { adjust, param } from '../router.ts';
import type { Span, Story } from '../shapes.ts';
import { type Row, rowsOf, type Stretch, spanStretch, type Tick, ticksOf, windowOf } from '../spans.ts';
import { visible } from '../visible.ts';
import { Minimap } from './minimap.tsx';
import { Detail } from './span-detail.tsx';

const NO_SPANS: readonly Span[] = [];
const NO_TICKS: readonly Tick[] = [];

const ROW_PX = 26;
const HEIGHT_PX = 520;

/** The stretch of time in the URL, as milliseconds since `from`; `undefined`: all of it. */
function rangeOf(from: number): Stretch | undefined {
  const [, first, last] = /^(\d+)-(\d+)$/.exec(param('range')) ?? [];
  if (first === undefined || last === undefined || Number(first) >= Number(last)) return undefined;
  return [from + Number(first), from + Number(last)];
}

/** The spans of a story as a tree grid, of which only the rows in sight are drawn. */
export function Waterfall({ story }: { story: Story }) {
  const spans = story.spans ?? NO_SPANS;
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [above, setAbove] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const focus = param('focus') || undefined;
  const rows = useMemo(() => rowsOf(spans, closed, focus), [spans, closed, focus]);
  const places = useMemo(() => new Map(rows.map(({ span }, index) => [span.span_id, index])), [rows]);
  const at = places.get(param('span')) ?? 0;
  const selected = rows[at]?.span;
  const isRunning = useMemo(() => spans.some(({ state }) => state === 'running'), [spans]);
  const nowMs = useNow(isRunning ? 1_000 : 0);
  const fromMs = Date.parse(story.started);
  const endMs = Math.max(Date.parse(story.ended), isRunning ? nowMs : 0);
  const range = rangeOf(fromMs);
  const [from, to] = range ?? [fromMs, endMs];
  const ticks = useMemo(() => ticksOf(story.timeline, [from, to]), [story.timeline, from, to]);

  const zoom = (next: Stretch | undefined) =>
    adjust(
      'range',
      next === undefined ? '' : `${Math.max(0, Math.floor(next[0] - fromMs))}-${Math.ceil(next[1] - fromMs)}`,
    );
  const select = (wanted: number) => {
    const index = Math.max(0, Math.min(rows.length - 1, wanted));
    const next = rows[index];
    if (next === undefined || box.current === null) return;
    adjust('span', next.span.span_id);
    const top = index * ROW_PX;
    const { scrollTop } = box.current;
    if (top < scrollTop) box.current.scrollTop = top;
    if (top + ROW_PX > scrollTop + HEIGHT_PX) box.current.scrollTop = top + ROW_PX - HEIGHT_PX;
    setAbove(Math.floor(box.current.scrollTop / ROW_PX));
    // The row may be drawn only now.
    setTimeout(() => box.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus(), 0);
  };
  const toggle = (id: string, close: boolean) =>
    setClosed((before) => new Set(close ? [...before, id] : [...before].filter((one) => one !== id)));
  const nextError = () => {
    const isError = ({ span }: Row) => span.state === 'error';
    const ahead = rows.findIndex((row, index) => index > at && isError(row));
    const found = ahead < 0 ? rows.findIndex(isError) : ahead;
    if (found >= 0) select(found);
  };
  // Before the next key can come.
  useLayoutEffect(() =>
    bind({
      j: () => select(at + 1),
      k: () => select(at - 1),
      ArrowRight: () => selected && toggle(selected.span_id, false),
      ArrowLeft: () => selected && toggle(selected.span_id, true),
      f: () => adjust('focus', focus ? '' : (selected?.span_id ?? '')),
      z: () => zoom(range || !selected ? undefined : spanStretch(selected, endMs)),
      e: nextError,
    }),
  );
  if (spans.length === 0) return <p class="dim">No spans. The logs have what was said.</p>;
  const [first, last] = windowOf(rows.length, ROW_PX, above * ROW_PX, HEIGHT_PX);
  const share = (ms: number) => Math.min(100, Math.max(0, ((ms - from) / Math.max(1, to - from)) * 100));
  const barOf = ([start, end]: Stretch) =>
    end < from || start > to
      ? undefined
      : { left: `${share(start)}%`, width: `${Math.max(0.2, share(end) - share(start))}%` };
  return (
    <>
      <Minimap rows={rows} whole={[fromMs, endMs]} range={range} onRange={zoom} />
      <div
        ref={box}
        class="waterfall"
        role="treegrid"
        aria-label="Spans"
        aria-rowcount={rows.length}
        style={{ height: `${Math.min(HEIGHT_PX, rows.length * ROW_PX + 2)}px` }}
        onScroll={(event) => setAbove(Math.floor(event.currentTarget.scrollTop / ROW_PX))}
      >
        <div role="presentation" style={{ height: `${first * ROW_PX}px` }} />
        {rows.slice(first, last).map((row, index) => {
          const stretch = spanStretch(row.span, endMs);
          return (
            <SpanRow
              key={row.span.span_id}
              row={row}
              index={first + index}
              selected={first + index === at}
              expanded={!closed.has(row.span.span_id)}
              bar={barOf(stretch)}
              length={stretch[1] - stretch[0]}
              ticks={ticks.get(row.span.span_id) ?? NO_TICKS}
              onSelect={() => select(first + index)}
              onToggle={() => toggle(row.span.span_id, !closed.has(row.span.span_id))}
            />
          );
        })}
        <div role="presentation" style={{ height: `${(rows.length - last) * ROW_PX}px` }} />
      </div>
      {selected && <Detail span={selected} story={story} />}
    </>
  );
}

interface RowProps {
  row: Row;
  index: number;
  selected: boolean;
  expanded: boolean;
  /** `undefined` while it lies outside of what is shown. */
  bar: { left: string; width: string } | undefined;
  length: number;
  ticks: readonly Tick[];
  onSelect: () => void;
  onToggle: () => void;
}

function SpanRow({ row, index, selected, expanded, bar, length, ticks, onSelect, onToggle }: RowProps) {
  const { span, level, children } = row;
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: the keys of the grid move between rows
    <div
      role="row"
      class={`span-row state-${span.state}`}
      aria-level={level}
      aria-rowindex={index + 1}
      aria-selected={selected}
      aria-expanded={children > 0 ? expanded : undefined}
      tabIndex={selected ? 0 : -1}
      onClick={onSelect}
    >
      <span
        role="gridcell"
        class="span-name"
        style={{ paddingLeft: `${Math.min(level - 1, 20) * 14 + 4}px` }}
      >
        <i aria-hidden="true" onClick={onToggle}>
          {children === 0 ? '' : expanded ? '▾' : '▸'}
        </i>
        {visible(span.name)} <ServiceName name={span.source} />
      </span>
      <span role="gridcell" class="track">
        {bar && <i class={`bar fill-${hueOf(span.source)}`} style={bar} />}
        {ticks.map((tick) => (
          <i key={tick.at} class={tick.bad ? 'tick bad' : 'tick'} style={{ left: `${tick.at * 100}%` }} />
        ))}
      </span>
      <span role="gridcell" class="num">
        {duration(length)}
      </span>
      <span role="gridcell">
        <State state={span.state} />
      </span>
    </div>
  );
}
