import { OVER } from './state.ts';
import type { Part, SpanRecord } from './story.ts';
import type { JobState, SpanState, SpanView } from './view.ts';

/** Differences that timestamps in milliseconds alone can make. */
const TOLERANCE_MS = 1;

type Known = SpanRecord & { readonly source: string };

/** Of a span that two services name, the record that ended counts. */
function spansById(parts: readonly Part[]): ReadonlyMap<string, Known> {
  const all = new Map<string, Known>();
  for (const { source, spansById: own } of parts) {
    for (const [id, span] of own) if (all.get(id)?.ended !== true) all.set(id, { ...span, source });
  }
  return all;
}

/** Ids of the spans that start before their parents: the clocks of their senders differ. */
export function skewedSpans(parts: readonly Part[]): ReadonlySet<string> {
  const spans = spansById(parts);
  return new Set([...spans].flatMap(([id, span]) => (isSkewed(span, spans) ? id : [])));
}

function isSkewed({ parent, startMs }: Known, spans: ReadonlyMap<string, Known>): boolean {
  const parentStart = spans.get(parent)?.startMs;
  return parentStart !== undefined && startMs !== undefined && startMs < parentStart - TOLERANCE_MS;
}

/** The spans of a story that stands as `state`, in order of their start. */
export function spansOf(parts: readonly Part[], state: JobState): readonly SpanView[] {
  const spans = spansById(parts);
  return [...spans]
    .map(([id, span]) => viewOf(id, span, state, isSkewed(span, spans)))
    .sort((a, b) => a.start_us - b.start_us);
}

function viewOf(id: string, span: Known, state: JobState, skewed: boolean): SpanView {
  const { parent, source, name, startMs = 0, interval, status } = span;
  return {
    span_id: id,
    ...(parent !== '' && { parent_span_id: parent }),
    source,
    name,
    start_us: Math.round(startMs * 1000),
    ...(interval && { duration_us: Math.round((interval.to - interval.from) * 1000) }),
    state: standingOf(span, state),
    ...(status !== '' && { status }),
    skewed,
  };
}

function standingOf({ ended, failed }: SpanRecord, state: JobState): SpanState {
  if (ended) return failed ? 'error' : 'ok';
  return OVER.has(state) ? 'abandoned' : 'running';
}
