import type { JobPlace } from './cursor.ts';

/** Every state of a job or trace: as its own records say; `stalled` and `abandoned` as its silence says. */
export const JOB_STATES = [
  'queued',
  'running',
  'succeeded',
  'failed',
  'cancelled',
  'stalled',
  'abandoned',
] as const;

/** How a job or trace stands. */
export type JobState = (typeof JOB_STATES)[number];

/**
 * What is odd about a story, for a badge: `clock_skew`, a span starts before its parent, so that the senders' clocks
 * differ; `percent_clamped`, a progress report was outside 0–100; `approximate`, in a flood some of its messages were only
 * counted, or it has more spans than are kept, so that spans, texts, progress and times may be incomplete.
 */
export const STORY_WARNINGS = ['clock_skew', 'percent_clamped', 'approximate'] as const;

/** One of them. */
export type StoryWarning = (typeof STORY_WARNINGS)[number];

/** What a job and a trace have in common. Times are RFC 3339 in UTC; every text is as its sender sent it. */
export interface StorySummary {
  readonly state: JobState;
  /** Start of the first span or time of the first message, whichever is earlier. */
  readonly started: string;
  /** End of the last span or time of the last message, whichever is later; while it runs, so far. */
  readonly ended: string;
  /** `ended` − `started`, milliseconds. */
  readonly total_ms: number;
  /** The part of `total_ms` in which no service was active, milliseconds. */
  readonly unattributed_ms: number;
  /** Messages received, those that are only kept as sums included. */
  readonly messages: number;
  /** Messages that say that something went wrong. */
  readonly errors: number;
  /** The last progress that was reported, 0–100; absent when none was. */
  readonly percent?: number;
  /** Time that is left, milliseconds: an estimate from three reports on that show growth; only while it runs. */
  readonly eta_ms?: number;
  /** The service that was heard of last; absent once it is over. */
  readonly current_source?: string;
  /** Its services, in order of their start. */
  readonly sources: readonly string[];
  readonly warnings: readonly StoryWarning[];
  /** Whether older messages are kept only as sums, or were not read, so that the timeline begins late. */
  readonly truncated: boolean;
  /** Older messages that are in the database and were not read; absent where there are none. */
  readonly left_off?: number;
}

/** One row of the list of jobs. */
export interface JobSummary extends StorySummary {
  readonly job_id: string;
  /** Traces that its messages named, in order of appearance. */
  readonly trace_ids: readonly string[];
  /** The job that it was started under, as far as that is known. */
  readonly parent_job_id?: string;
}

/** One report of progress. */
export interface ProgressPoint {
  readonly time: string;
  readonly source: string;
  /** 0–100. */
  readonly percent: number;
}

/** How a span stands; `abandoned` when its story is, or ended without it. */
export type SpanState = 'running' | 'ok' | 'error' | 'abandoned';

/** One span, its start and its end put together. */
export interface SpanView {
  readonly span_id: string;
  /** Absent for a root. */
  readonly parent_span_id?: string;
  readonly source: string;
  /** '' when it was not sent. */
  readonly name: string;
  readonly started: string;
  /** Absent while it runs, and if that was never told. */
  readonly ended?: string;
  readonly duration_ms?: number;
  readonly state: SpanState;
  /** As sent. */
  readonly status?: string;
  /** It starts before its parent does, which only clocks that differ can show; they are never corrected. */
  readonly before_parent?: true;
}

/** What one service did for a job or trace. */
export interface ServiceView {
  readonly source: string;
  /** What it says it did, in a few words; '' when it said nothing. */
  readonly summary: string;
  /**
   * Length of the union of its spans, milliseconds, less the time in which spans of other services that are their
   * children ran: the services' times add up to the total. Without spans, from its first to its last message.
   */
  readonly time_ms: number;
  readonly started: string;
  readonly ended: string;
  readonly messages: number;
  readonly errors: number;
  /** Finished spans. */
  readonly spans: number;
  /** Sources whose spans are the parents of its spans; itself excluded. */
  readonly parents: readonly string[];
}

/** One message of a job or trace. */
export interface TimelineEntry {
  /** The message's id. */
  readonly id: string;
  readonly time: string;
  readonly source: string;
  readonly type: string;
  readonly span_id?: string;
  readonly parent_span_id?: string;
  /** A span's or a metric's name. */
  readonly name?: string;
  /** An event's level, as sent. */
  readonly level?: string;
  /** What it says, in one line. */
  readonly text: string;
  /** A finished span's duration, milliseconds. */
  readonly duration_ms?: number;
  /** A span's or a progress report's status, as sent. */
  readonly status?: string;
}

/** What is told in full of a job and of a trace. */
interface StoryDetails {
  /** In order of their start; those of messages that are kept in full. */
  readonly spans: readonly SpanView[];
  /** Reports of progress, at most 200, in order of time. */
  readonly progress: readonly ProgressPoint[];
  /** The messages that `errors` counts, the last 100 of those kept in full. */
  readonly failures: readonly TimelineEntry[];
}

/** Everything known of one job. */
export interface JobView extends JobSummary, StoryDetails {
  /** Jobs that were started under it. */
  readonly child_job_ids: readonly string[];
  /** In order of their start. */
  readonly services: readonly ServiceView[];
  /** In order of time. */
  readonly timeline: readonly TimelineEntry[];
}

/** Everything known of one trace. */
export interface TraceView extends StorySummary, StoryDetails {
  readonly trace_id: string;
  /** Jobs that its messages named, in order of appearance. */
  readonly job_ids: readonly string[];
  /** In order of their start. */
  readonly services: readonly ServiceView[];
  /** In order of time. */
  readonly timeline: readonly TimelineEntry[];
}

/** A page of jobs, the most recently active first. */
export interface JobPage {
  readonly jobs: readonly JobSummary[];
  /** Cursor of the next page; absent on the last one. */
  readonly next?: string;
}

/** Which jobs are wanted; what is absent does not matter. */
export interface JobFilter {
  readonly states?: readonly JobState[] | undefined;
  /** Of whose services one has this name, or one that the glob takes. */
  readonly isSource?: ((source: string) => boolean) | undefined;
  /** What the job's id, or what a service says it did, has in it; in small letters. */
  readonly text?: string | undefined;
  /** Active since, epoch milliseconds. */
  readonly sinceMs?: number | undefined;
}

/** Jobs and traces as they are shown. Nothing here throws. */
export interface Traces {
  /** At most `limit` jobs after a place, only those that are wanted. */
  jobs(limit: number, after?: JobPlace, filter?: JobFilter): JobPage;
  job(id: string): JobView | undefined;
  trace(id: string): TraceView | undefined;
}

/** Where an answer came from: `postgres` as soon as a database added to it. */
export type Origin = 'memory' | 'postgres';

/** What is said of an answer beside it. */
export interface Provenance {
  readonly from: Origin;
  /** What is missing and why, for people; absent where nothing is. */
  readonly note?: string;
}

/** Jobs and traces beyond what is in memory. Never rejects: without its database it answers from memory, with a note. */
export interface WholeTraces {
  /** As `Traces.jobs`, after the `next` of a page; pages go on into the database. `undefined`: the cursor is none. */
  jobs(limit: number, cursor?: string, filter?: JobFilter): Promise<(JobPage & Provenance) | undefined>;
  /** `view` is `undefined` for a job that is known nowhere. */
  job(id: string): Promise<Provenance & { readonly view: JobView | undefined }>;
  trace(id: string): Promise<Provenance & { readonly view: TraceView | undefined }>;
}
