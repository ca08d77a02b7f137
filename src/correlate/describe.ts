import { dataOf, isoTime, type Message } from '../message.ts';
import { etaOf, pointsOf } from './eta.ts';
import { type Interval, lengthMs, MAX_INTERVALS, subtract, unionOf } from './intervals.ts';
import { skewedSpans } from './spans.ts';
import { type AbsentSince, latestPercent, OVER, stateOf } from './state.ts';
import { copySums, fold, isFailure, type Part, type Story, spanInterval } from './story.ts';
import type { ServiceView, StorySummary, StoryWarning, TimelineEntry } from './view.ts';

/** A story summed up per service, the messages that are still kept in full included. */
export function partsOf(story: Story): readonly Part[] {
  const sums = copySums(story);
  for (const message of story.messages) fold(sums, message);
  return [...sums.parts].sort((a, b) => startOf(a) - startOf(b));
}

/** What a job's and a trace's summary have in common. `nowMs` tells a silent story from a lively one. */
export function summarise(
  story: Story,
  parts: readonly Part[],
  nowMs: number,
  absentSince: AbsentSince = () => undefined,
): StorySummary {
  const startMs = Math.min(...parts.map(startOf));
  const endMs = Math.max(...parts.map(endOf));
  const active = unionOf(parts.flatMap(stretchesOf));
  const totalMs = endMs - startMs;
  const percent = latestPercent(parts);
  const state = stateOf(story, parts, nowMs, absentSince);
  const isOver = OVER.has(state);
  const etaMs = state === 'running' ? etaOf(pointsOf(parts), nowMs) : undefined;
  const current = isOver ? undefined : latestOf(parts)?.source;
  return {
    state,
    started: isoTime(startMs),
    ended: isoTime(endMs),
    total_ms: totalMs,
    unattributed_ms: Math.max(0, totalMs - lengthMs(active)),
    messages: sum(parts.map(({ messages }) => messages)) + story.counted,
    errors: sum(parts.map(({ errors }) => errors)) + story.countedErrors,
    ...(percent !== undefined && { percent }),
    ...(etaMs !== undefined && { eta_ms: etaMs }),
    ...(current !== undefined && { current_source: current }),
    sources: parts.map(({ source }) => source),
    warnings: warningsOf(story, parts),
    truncated: story.folded + story.counted > 0,
  };
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0);
const startOf = (part: Part) => Math.min(part.intervals[0]?.from ?? part.firstMs, part.firstMs);
const endOf = (part: Part) => Math.max(part.intervals.at(-1)?.to ?? part.lastMs, part.lastMs);

/** When a service was active: its finished spans, or without any from its first to its last message. */
function stretchesOf(part: Part): readonly Interval[] {
  const { intervals, firstMs, lastMs, nameless, spansById } = part;
  if (intervals.length === 0) return [{ from: firstMs, to: lastMs }];
  if (intervals.length < MAX_INTERVALS || nameless > 0) return intervals;
  return unionOf([...spansById.values()].flatMap(({ interval }) => interval ?? []));
}

/** Whether gaps may be counted as work. */
const hasGaps = ({ intervals, nameless }: Part) => intervals.length >= MAX_INTERVALS && nameless > 0;

/** The service that was heard of last. */
const latestOf = (parts: readonly Part[]) =>
  parts.reduce<Part | undefined>((a, b) => (a !== undefined && a.lastMs >= b.lastMs ? a : b), undefined);

function warningsOf({ approximate }: Story, parts: readonly Part[]): readonly StoryWarning[] {
  const isSkewed = skewedSpans(parts).size > 0;
  const isClamped = parts.some((part) => part.isClamped);
  return [
    ...(isSkewed ? (['clock_skew'] as const) : []),
    ...(isClamped ? (['percent_clamped'] as const) : []),
    ...(approximate || parts.some(hasGaps) ? (['approximate'] as const) : []),
  ];
}

/** The services of a story, in order of their start. */
export function servicesOf(parts: readonly Part[]): readonly ServiceView[] {
  const sourceOfSpan = new Map(
    parts.flatMap(({ source, spansById }) => [...spansById.keys()].map((id) => [id, source] as const)),
  );
  return parts.map((part) => ({
    source: part.source,
    summary: part.texts.join(', '),
    time_ms: lengthMs(subtract(stretchesOf(part), waitsOf(part, parts))),
    started: isoTime(startOf(part)),
    ended: isoTime(endOf(part)),
    messages: part.messages,
    errors: part.errors,
    spans: part.spans,
    parents: parentsOf(part, sourceOfSpan),
  }));
}

/** When a service waited for another: the spans elsewhere whose parents are its own. */
const waitsOf = (part: Part, parts: readonly Part[]): readonly Interval[] =>
  unionOf(
    parts
      .filter((other) => other !== part)
      .flatMap(({ spansById }) => [...spansById.values()])
      .flatMap(({ parent, interval }) =>
        interval !== undefined && part.spansById.has(parent) ? interval : [],
      ),
  );

function parentsOf(part: Part, sourceOfSpan: ReadonlyMap<string, string>): readonly string[] {
  const parents = [...part.spansById.values()].flatMap(({ parent }) => sourceOfSpan.get(parent) ?? []);
  return [...new Set(parents)].filter((source) => source !== part.source);
}

/** The messages that are kept in full, in order of time. */
export const timelineOf = (story: Story): readonly TimelineEntry[] =>
  [...story.messages].sort((a, b) => a.timeMs - b.timeMs).map(entryOf);

const MAX_FAILURES = 100;

/** Those that say that something went wrong, the last ones. */
export const failuresOf = (story: Story): readonly TimelineEntry[] =>
  story.messages
    .filter(isFailure)
    .sort((a, b) => a.timeMs - b.timeMs)
    .slice(-MAX_FAILURES)
    .map(entryOf);

function entryOf(message: Message): TimelineEntry {
  const data = dataOf(message);
  const interval = spanInterval(message);
  const { parent_span_id: parent, name, level, status } = data;
  return {
    id: message.id,
    time: isoTime(message.timeMs),
    source: message.source,
    type: message.type,
    ...(message.spanId !== '' && { span_id: message.spanId }),
    ...(typeof parent === 'string' && parent !== '' && { parent_span_id: parent }),
    ...(typeof name === 'string' && { name }),
    ...(typeof level === 'string' && { level }),
    text: textOf(message),
    ...(interval && { duration_ms: interval.to - interval.from }),
    ...(typeof status === 'string' && { status }),
  };
}

/** What a message says, in one line. */
function textOf(message: Message): string {
  const data = dataOf(message);
  const words = (...values: unknown[]) =>
    values.filter((value) => typeof value === 'string' || typeof value === 'number').join(' ');
  switch (message.type) {
    case 'event':
      return words(data.message);
    case 'metric':
      return words(data.name, '=', data.value, data.unit);
    case 'progress':
      return words(
        typeof data.percent === 'number' ? `${data.percent} %` : '',
        data.status,
        data.message,
      ).trim();
    case 'resource':
      return Object.entries(data)
        .filter(([, value]) => typeof value === 'number')
        .map(([key, value]) => `${key} ${value}`)
        .join(', ');
    case 'span':
      return words(data.phase, data.name, data.status);
    default:
      return words(data.message, data.name);
  }
}
