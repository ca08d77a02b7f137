import type { Span } from './shapes.ts';

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
  for (const span of [...spans].sort((a, b) => Date.parse(a.started) - Date.parse(b.started))) {
    const parent = span.parent_span_id;
    if (parent === undefined || parent === span.span_id || !known.has(parent)) roots.push(span);
    else children.set(parent, [...(children.get(parent) ?? []), span]);
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

/** From and to, in any unit. */
export type Stretch = readonly [from: number, to: number];

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
