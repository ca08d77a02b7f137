import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { duration, hueOf } from '../format.ts';
import { bind } from '../keys.ts';
import { ServiceName, State } from '../parts.tsx';
import { adjust, param } from '../router.ts';
import type { Span, Story } from '../shapes.ts';
import { type Row, rowsOf, windowOf } from '../spans.ts';
import { visible } from '../visible.ts';

const ROW_PX = 26;
const HEIGHT_PX = 520;

const startOf = (span: Span) => Date.parse(span.started);
const endOf = (span: Span, endMs: number) =>
  span.duration_ms === undefined ? endMs : startOf(span) + span.duration_ms;

/** The spans of a story as a tree grid, of which only the rows in sight are drawn. */
export function Waterfall({ story }: { story: Story }) {
  const spans = story.spans ?? [];
  const [closed, setClosed] = useState<ReadonlySet<string>>(new Set());
  const [scrolled, setScrolled] = useState(0);
  const box = useRef<HTMLDivElement>(null);
  const focus = param('focus') || undefined;
  const rows = useMemo(() => rowsOf(spans, closed, focus), [spans, closed, focus]);
  const at = Math.max(
    0,
    rows.findIndex(({ span }) => span.span_id === param('span')),
  );
  const selected = rows[at]?.span;
  const fromMs = Date.parse(story.started);
  const endMs = Date.parse(story.ended);
  const zoomed = spans.find(({ span_id }) => span_id === param('zoom'));
  const from = zoomed ? startOf(zoomed) : fromMs;
  const length = Math.max(1, (zoomed ? endOf(zoomed, endMs) : endMs) - from);

  const select = (to: number) => {
    const next = rows[Math.max(0, Math.min(rows.length - 1, to))];
    if (next === undefined || box.current === null) return;
    adjust('span', next.span.span_id);
    const top = rows.indexOf(next) * ROW_PX;
    const { scrollTop } = box.current;
    if (top < scrollTop) box.current.scrollTop = top;
    if (top + ROW_PX > scrollTop + HEIGHT_PX) box.current.scrollTop = top + ROW_PX - HEIGHT_PX;
    setScrolled(box.current.scrollTop);
    // The row may be drawn only now.
    setTimeout(() => box.current?.querySelector<HTMLElement>('[tabindex="0"]')?.focus(), 0);
  };
  const toggle = (id: string, close: boolean) =>
    setClosed((before) => new Set(close ? [...before, id] : [...before].filter((one) => one !== id)));
  const nextError = () => {
    const ahead = [...rows.keys()].map((step) => (at + 1 + step) % rows.length);
    const found = ahead.find((index) => rows[index]?.span.state === 'error');
    if (found !== undefined) select(found);
  };
  useEffect(() =>
    bind({
      j: () => select(at + 1),
      k: () => select(at - 1),
      ArrowRight: () => selected && toggle(selected.span_id, false),
      ArrowLeft: () => selected && toggle(selected.span_id, true),
      f: () => adjust('focus', focus ? '' : (selected?.span_id ?? '')),
      z: () => adjust('zoom', zoomed ? '' : (selected?.span_id ?? '')),
      e: nextError,
    }),
  );
  if (spans.length === 0) return <p class="dim">No spans. The logs have what was said.</p>;
  const [first, last] = windowOf(rows.length, ROW_PX, scrolled, HEIGHT_PX);
  const barOf = (span: Span) => {
    const left = Math.min(100, Math.max(0, ((startOf(span) - from) / length) * 100));
    const right = Math.min(100, Math.max(0, ((endOf(span, endMs) - from) / length) * 100));
    return { left: `${left}%`, width: `${Math.max(0.2, right - left)}%` };
  };
  return (
    <>
      <div
        ref={box}
        class="waterfall"
        role="treegrid"
        aria-label="Spans"
        aria-rowcount={rows.length}
        style={{ height: `${Math.min(HEIGHT_PX, rows.length * ROW_PX + 2)}px` }}
        onScroll={(event) => setScrolled(event.currentTarget.scrollTop)}
      >
        <div role="presentation" style={{ height: `${first * ROW_PX}px` }} />
        {rows.slice(first, last).map((row, index) => (
          <SpanRow
            key={row.span.span_id}
            row={row}
            index={first + index}
            selected={first + index === at}
            expanded={!closed.has(row.span.span_id)}
            bar={barOf(row.span)}
            length={endOf(row.span, endMs) - startOf(row.span)}
            onSelect={() => select(first + index)}
          />
        ))}
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
  bar: { left: string; width: string };
  length: number;
  onSelect: () => void;
}

function SpanRow({ row, index, selected, expanded, bar, length, onSelect }: RowProps) {
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
        <i aria-hidden="true">{children === 0 ? '' : expanded ? '▾' : '▸'}</i>
        {visible(span.name)} <ServiceName name={span.source} />
      </span>
      <span role="gridcell" class="track">
        <i class={`bar fill-${hueOf(span.source)}`} style={bar} />
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

const Detail = ({ span, story }: { span: Span; story: Story }) => (
  <section class="detail" aria-label="The selected span">
    <h2>{visible(span.name)}</h2>
    <p>
      <ServiceName name={span.source} /> <State state={span.state} /> <code>{visible(span.span_id)}</code>
      {span.before_parent && <span class="badge">starts before its parent</span>}
    </p>
    <ul>
      {story.timeline
        .filter(({ span_id }) => span_id === span.span_id)
        .slice(0, 50)
        .map((entry) => (
          <li key={entry.id}>
            <span class="mono dim">{entry.time.slice(11, 23)}</span> {visible(entry.text)}
          </li>
        ))}
    </ul>
  </section>
);
