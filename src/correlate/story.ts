import { type Aged, UNUSED } from '../flow/recent-map.ts';
import { dataOf, type JsonObject, type Message, sentHas } from '../message.ts';
import { addInterval, type Interval } from './intervals.ts';
import { addPoint, type Point } from './points.ts';

/** One service's part of a story: what its messages say in sum. */
export interface Part {
  readonly source: string;
  firstMs: number;
  lastMs: number;
  messages: number;
  errors: number;
  spans: number;
  /** Those of them that `spansById` has not. */
  nameless: number;
  /** Union of its finished spans, some gaps included once it would be more than `MAX_INTERVALS` long. */
  intervals: readonly Interval[];
  /** Distinct event texts in order, the first few. */
  texts: readonly string[];
  /** Its spans by id; bounded. */
  spansById: ReadonlyMap<string, SpanRecord>;
  progress: Progress | undefined;
  /** Reports of progress in order of time; bounded, thinned out in the middle. */
  points: readonly Point[];
  /** A report was outside 0–100. */
  isClamped: boolean;
  /** The job that its job was started under; '' until it is known. */
  parentJob: string;
}

/** What is known of one span. */
export interface SpanRecord {
  readonly name: string;
  /** As sent; '' until it is known. */
  readonly status: string;
  /** By its start record or its interval; `undefined` until it is known. Epoch milliseconds. */
  readonly startMs: number | undefined;
  /** '' for a root, and until it is known. */
  readonly parent: string;
  readonly ended: boolean;
  readonly failed: boolean;
  /** When it ran; `undefined` until it has ended. */
  readonly interval: Interval | undefined;
}

/** The latest progress report. */
export interface Progress {
  readonly timeMs: number;
  /** 0–100. */
  readonly percent: number | undefined;
  readonly status: string;
}

/** What messages are summed up in. */
export interface Sums {
  /** One a source, in no order. */
  parts: readonly Part[];
  /** Once there are more than a few. */
  partsBySource: Map<string, Part> | undefined;
  /** Spans that the parts remember by id, in all. */
  knownSpans: number;
}

/** Everything of one job or one trace. Most have little: what is empty is shared by all that have none of it. */
export interface Story extends Aged, Sums {
  readonly id: string;
  /** The member (`,"k":v`) that names it in a message's JSON text, UTF-8; made once it is needed. */
  member: Buffer | undefined;
  /** The newest messages in full, in order of arrival. */
  messages: Message[];
  /** Messages that were only summed up, because the story outgrew its share. */
  folded: number;
  /** Some folded messages' data was not looked at, for want of time; spans and texts are incomplete. */
  approximate: boolean;
  /** Further messages of which their number is known, and that of errors among them: they are in the sums of its job. */
  counted: number;
  countedErrors: number;
  /** The second, epoch milliseconds, in which data was looked at in a flood last, and how often. */
  lookedMs: number;
  looks: number;
  /** The other kind's ids that occurred with this one (traces of a job, jobs of a trace), bounded. */
  links: readonly string[];
  /** The story of the other kind that occurred with this one last. */
  linked: Story | undefined;
  /** When its last message was received, epoch milliseconds. */
  lastMs: number;
}

const NO_PARTS: readonly Part[] = [];
const NO_SPANS: ReadonlyMap<string, SpanRecord> = new Map();
const NO_TEXTS: readonly string[] = [];

/** No small integer: V8 gives a field the form of the first number that it had, and all that knew it start anew at another. */
const NEVER_MS = Number.NEGATIVE_INFINITY;

/** An empty story of a job or a trace. */
export function createStory(id: string, nowMs: number): Story {
  return {
    // What each message needs comes first: it is one look at memory.
    id,
    usedIn: UNUSED,
    linked: undefined,
    lastMs: nowMs,
    parts: NO_PARTS,
    partsBySource: undefined,
    folded: 0,
    approximate: false,
    counted: 0,
    countedErrors: 0,
    lookedMs: NEVER_MS,
    looks: 0,
    member: undefined,
    messages: [],
    knownSpans: 0,
    links: NO_TEXTS,
  };
}

const NO_INTERVALS: readonly Interval[] = [];
const NO_POINTS: readonly Point[] = [];
const MAX_TEXTS = 8;
/** Spans remembered by id of one story, all services together. */
const MAX_SPANS = 16_384;
/** What one of them takes in memory, about. */
export const SPAN_BYTES = 400;
const MAX_PARTS = 256;
/** So many are looked through, one by one. */
const FEW_PARTS = 8;

const textOf = (value: unknown) => (typeof value === 'string' ? value : '');
const numberOf = (value: unknown) =>
  typeof value === 'number' && Number.isFinite(value) ? value : undefined;

const YEAR_MS = 366 * 86_400_000;

/**
 * A span's stretch of time: by `start_us` and `duration_us`, else ending at the record's own time. A span over a year
 * away from its own record is no time that anybody measured.
 */
export function spanInterval(message: Message): Interval | undefined {
  const data = dataOf(message);
  const sentUs = numberOf(data.duration_us);
  if (message.type !== 'span' || data.phase === 'start' || sentUs === undefined) return undefined;
  const durationUs = Math.max(0, sentUs);
  const from = (numberOf(data.start_us) ?? message.timeMs * 1000 - durationUs) / 1000;
  const to = from + durationUs / 1000;
  const isNear = Math.abs(from - message.timeMs) < YEAR_MS && Math.abs(to - message.timeMs) < YEAR_MS;
  return isNear ? { from, to } : undefined;
}

const FAILED = /^(error|failed|failure|aborted|abandoned)$/i;

/** Whether a record says that something went wrong: an event of level error or above, a failed span or progress. */
export const isFailure = (message: Message) =>
  message.severity >= 5 || FAILED.test(textOf(dataOf(message).status));

/** A map to add to. */
const own = <K, V>(map: ReadonlyMap<K, V>): Map<K, V> => (map.size === 0 ? new Map() : (map as Map<K, V>));

function findPart({ parts, partsBySource }: Sums, source: string): Part | undefined {
  if (partsBySource !== undefined) return partsBySource.get(source);
  for (const part of parts) if (part.source === source) return part;
  return undefined;
}

function addPart(sums: Sums, part: Part): void {
  // Most have one: `concat` takes no room for more, as a spread does.
  sums.parts = sums.parts.concat(part);
  if (sums.partsBySource !== undefined) sums.partsBySource.set(part.source, part);
  else if (sums.parts.length > FEW_PARTS)
    sums.partsBySource = new Map(sums.parts.map((one) => [one.source, one]));
}

function partOf(sums: Sums, message: Message): Part | undefined {
  const found = findPart(sums, message.source);
  if (found !== undefined || sums.parts.length >= MAX_PARTS) return found;
  const part: Part = {
    source: message.source,
    firstMs: message.timeMs,
    lastMs: message.timeMs,
    messages: 0,
    errors: 0,
    spans: 0,
    nameless: 0,
    intervals: NO_INTERVALS,
    texts: NO_TEXTS,
    spansById: NO_SPANS,
    progress: undefined,
    points: NO_POINTS,
    isClamped: false,
    parentJob: '',
  };
  addPart(sums, part);
  return part;
}

/** Adds to the sums of its source what the envelope says of a message; cheap, its data is not parsed. */
export function foldEnvelope(sums: Sums, message: Message): Part | undefined {
  const part = partOf(sums, message);
  if (part === undefined) return undefined;
  part.messages++;
  if (message.timeMs < part.firstMs) part.firstMs = message.timeMs;
  if (message.timeMs > part.lastMs) part.lastMs = message.timeMs;
  if (message.severity >= 5) part.errors++;
  return part;
}

/** Whether a story knows a span, from its sums or a message that it kept. */
export const knowsSpan = ({ parts, messages }: Story, id: string): boolean =>
  id !== '' &&
  (parts.some(({ spansById }) => spansById.has(id)) || messages.some(({ spanId }) => spanId === id));

/** Adds one message, its data included, to the sums of its source. */
export function fold(sums: Sums, message: Message): void {
  const part = foldEnvelope(sums, message);
  if (part === undefined || !isTelling(part, message)) return;
  if (part.parentJob === '') part.parentJob = parentJobOf(message);
  if (message.severity < 5 && isFailure(message)) part.errors++;
  if (message.type === 'span') foldSpan(sums, part, message);
  else if (message.type === 'event') foldText(part, textOf(dataOf(message).message));
  else if (message.type === 'progress') foldProgress(part, message);
}

/** What is looked for in the data of any record, or hides it. */
const LOOKED_FOR = /status|parent_job_id|\\u/;

/** Whether a message's data, which has to be parsed for it, may say more than its envelope. */
function isTelling({ texts }: Part, message: Message): boolean {
  const { type, parsed } = message;
  if (parsed !== undefined || type === 'span' || type === 'progress') return true;
  return (type === 'event' && texts.length < MAX_TEXTS) || sentHas(message, LOOKED_FOR);
}

/** The job that a record says its job was started under. */
function parentJobOf(message: Message): string {
  const { parent_job_id: parent, context } = dataOf(message);
  const said = parent ?? (context as JsonObject | null | undefined)?.parent_job_id;
  return textOf(said);
}

function foldSpan(sums: Sums, part: Part, message: Message): void {
  const data = dataOf(message);
  const interval = spanInterval(message);
  if (interval !== undefined) {
    part.spans++;
    part.intervals = addInterval(part.intervals, interval);
  }
  const known = part.spansById.get(message.spanId);
  if (message.spanId === '' || (known === undefined && sums.knownSpans >= MAX_SPANS)) {
    if (interval !== undefined) part.nameless++;
    return;
  }
  if (known === undefined) sums.knownSpans++;
  part.spansById = own(part.spansById).set(message.spanId, {
    name: textOf(data.name) || (known?.name ?? ''),
    status: textOf(data.status) || (known?.status ?? ''),
    startMs: interval?.from ?? known?.startMs ?? (data.phase === 'start' ? message.timeMs : undefined),
    parent: textOf(data.parent_span_id) || (known?.parent ?? ''),
    ended: known?.ended || data.phase !== 'start',
    failed: known?.failed || isFailure(message),
    interval: interval ?? known?.interval,
  });
}

function foldText(part: Part, text: string): void {
  if (text === '' || part.texts.length >= MAX_TEXTS || part.texts.includes(text)) return;
  part.texts = part.texts.concat(text);
}

function foldProgress(part: Part, message: Message): void {
  const { timeMs } = message;
  const { percent, status } = dataOf(message);
  const sent = numberOf(percent);
  const number = sent === undefined ? undefined : Math.min(100, Math.max(0, sent));
  if (number !== sent) part.isClamped = true;
  if (number !== undefined) part.points = addPoint(part.points, { timeMs, percent: number });
  if (part.progress !== undefined && part.progress.timeMs > timeMs) return;
  part.progress = { timeMs, percent: number ?? part.progress?.percent, status: textOf(status) };
}

/** A copy that can be added to without changing the original. */
export function copySums({ parts, knownSpans }: Sums): Sums {
  const copy: Sums = { parts: NO_PARTS, partsBySource: undefined, knownSpans };
  for (const part of parts) addPart(copy, { ...part, spansById: new Map(part.spansById) });
  return copy;
}
