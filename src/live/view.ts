import type { JsonObject } from '../message.ts';

/** Where a tail listens: as messages come in, as a rule takes them, as their way ends. */
export const PLACES = ['ingest', 'route', 'backend'] as const;

/** One of them. */
export type Place = (typeof PLACES)[number];

/** A message as it is shown live, secrets redacted. Times are RFC 3339. */
export interface LiveMessage {
  readonly id: string;
  readonly time: string;
  readonly received_at: string;
  readonly source: string;
  readonly type: string;
  /** An event's, aliases mapped. */
  readonly level?: string;
  readonly job_id?: string;
  readonly trace_id?: string;
  readonly span_id?: string;
  /** What it says, in one line. */
  readonly text: string;
  readonly bytes: number;
  /** As it is delivered; absent where it is too large. */
  readonly record?: JsonObject;
  readonly backend?: string;
  readonly rule?: string;
  readonly outcome?: string;
  readonly reason?: string;
}

/** What is known of a message at its place. */
export type Whereabouts = Pick<LiveMessage, 'backend' | 'rule' | 'outcome' | 'reason'>;

/** A page of messages, the newest first. */
export interface MessagePage {
  readonly messages: readonly LiveMessage[];
  /** Cursor of the next page; absent on the last one. */
  readonly next?: string;
  /** What is remembered at all, in a sentence. */
  readonly remembered: string;
}

/** What of a tail is in one event. */
export interface TailBatch {
  /** In order. */
  readonly messages: readonly LiveMessage[];
  /** There where not all are shown. */
  readonly sampled?: {
    readonly shown: number;
    readonly seen: number;
    readonly per_s: number;
    readonly rate: number;
  };
}
