import type { Entry, Span } from './shapes.ts';

/** A span in its tree, as a row of the waterfall. */
export interface Row {
  readonly span: Span;
  /** From 1, as `aria-level` counts. */
  readonly level: number;
  readonly children: number;
}

/**
 * The rows of a waterfall, depth first, children by their start. A span whose parent is unknown is a root; a cycle
 * is broken at its earliest span. Children of the `closed` are left out.
 */
export function rowsOf(spans: readonly Span[], closed: ReadonlySet<string>, root?: string): Row[] {
  const known = new Set(spans.map(({ span_id }) => span_id));
  const children = new Map<string, Span[]>();
  const roots: Span[] = [];
  // Times are in UTC and of the same length: they compare as texts.
  for (const span of [...spans].sort((a, b) =>
    a.started < b.started ? -1 : a.started > b.started ? 1 : 0,
  )) {
    const parent = span.parent_span_id;
    if (parent === undefined || parent === span.span_id || !known.has(parent)) roots.push(span);
    else {
      const siblings = children.get(parent);
      if (siblings === undefined) children.set(parent, [span]);
      else siblings.push(span);
    }
  }
  const rows: Row[] = [];
  const seen = new Set<string>();
  const walk = (first: Span) => {
    const pending: { span: Span; level: number; hidden: boolean }[] = [
      { span: first, level: 1, hidden: false },
    ];
    for (let next = pending.pop(); next; next = pending.pop()) {
      const { span, level, hidden } = next;
      if (seen.has(span.span_id)) continue;
      seen.add(span.span_id);
      const below = children.get(span.span_id) ?? [];
      if (!hidden) rows.push({ span, level, children: below.length });
      const isHidden = hidden || closed.has(span.span_id);
      for (const child of below.toReversed())
        pending.push({ span: child, level: level + 1, hidden: isHidden });
    }
  };
  if (root !== undefined) {
    const focused = spans.find(({ span_id }) => span_id === root);
    if (focused) walk(focused);
    return rows;
  }
  for (const span of roots) walk(span);
  for (const span of spans) if (!seen.has(span.span_id)) walk(span);
  return rows;
}

/** A message on a span's line. */
export interface Tick {
  /** 0–1. */
  readonly at: number;
  readonly bad: boolean;
}

/** Places on a line that are told apart. */
const TICKS = 200;

/** From and to, in any unit. */
export type Stretch = readonly [from: number, to: number];

/** When a span ran, epoch milliseconds; one that runs, until `endMs`. */
export function spanStretch({ started, duration_ms }: Span, endMs: number): Stretch {
  const from = Date.parse(started);
  return [from, duration_ms === undefined ? Math.max(from, endMs) : from + duration_ms];
}

/** Where the entries of each span lie, as shares of the stretch shown; those too near to tell apart once. */
export function ticksOf(
  entries: readonly Entry[],
  [from, to]: Stretch,
): ReadonlyMap<string, readonly Tick[]> {
  const ticks = new Map<string, Map<number, Tick>>();
  for (const { type, span_id, time, level } of entries) {
    if (type !== 'event' || span_id === undefined) continue;
    const share = (Date.parse(time) - from) / Math.max(1, to - from);
    if (share < 0 || share > 1) continue;
    const place = Math.round(share * TICKS);
    const own = ticks.get(span_id) ?? new Map<number, Tick>();
    const bad = /^(error|fatal|critical)$/i.test(level ?? '');
    own.set(place, { at: place / TICKS, bad: bad || own.get(place)?.bad === true });
    ticks.set(span_id, own);
  }
  return new Map([...ticks].map(([id, own]) => [id, [...own.values()]]));
}

/** Which of `total` rows of a fixed height are to be drawn, `spare` beyond each edge. */
export function windowOf(
  total: number,
  rowPx: number,
  scrolledPx: number,
  heightPx: number,
  spare = 8,
): Stretch {
  const first = Math.max(0, Math.min(total, Math.floor(scrolledPx / rowPx) - spare));
  return [first, Math.min(total, Math.ceil((scrolledPx + heightPx) / rowPx) + spare)];
}
