import { isoTime } from '../message.ts';
import { OVER } from './state.ts';
import type { Part, SpanRecord } from './story.ts';
import type { JobState, ProgressPoint, SpanState, SpanView } from './view.ts';

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
    .sort(([, a], [, b]) => (a.startMs ?? 0) - (b.startMs ?? 0))
    .map(([id, span]) => viewOf(id, span, state, isSkewed(span, spans)));
}

function viewOf(id: string, span: Known, state: JobState, isEarly: boolean): SpanView {
  const { parent, source, name, startMs = 0, interval, status } = span;
  return {
    span_id: id,
    ...(parent !== '' && { parent_span_id: parent }),
    source,
    name,
    started: isoTime(startMs),
    ...(interval && { ended: isoTime(interval.to), duration_ms: interval.to - interval.from }),
    state: standingOf(span, state),
    ...(status !== '' && { status }),
    ...(isEarly && { before_parent: true as const }),
  };
}

function standingOf({ ended, failed }: SpanRecord, state: JobState): SpanState {
  if (ended) return failed ? 'error' : 'ok';
  return OVER.has(state) ? 'abandoned' : 'running';
}

/** All services' reports of progress, in order of time. */
export const progressOf = (parts: readonly Part[]): readonly ProgressPoint[] =>
  parts
    .flatMap(({ source, points }) => points.map((point) => ({ ...point, source })))
    .sort((a, b) => a.timeMs - b.timeMs)
    .map(({ timeMs, source, percent }) => ({ time: isoTime(timeMs), source, percent }));
