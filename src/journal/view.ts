/** How a message stands at a backend. */
export type WhyState =
  | 'delivered'
  | 'filtered'
  | 'shed'
  | 'dead_lettered'
  | 'waiting'
  | 'retrying'
  | 'in_operators';

/** One attempt to send it. */
export interface AttemptView {
  /** When it ended, RFC 3339. */
  readonly time: string;
  readonly attempt: number;
  readonly result: string;
  readonly ms: number;
  readonly error?: string;
}

/** What became of a message at one backend. */
export interface BackendStory {
  readonly backend: string;
  readonly state: WhyState;
  /** Why, in a sentence. */
  readonly because: string;
  /** Places of the rules that took it. */
  readonly rules: readonly string[];
  /** When it came to the backend's lane, RFC 3339, and for which target. */
  readonly queued?: string;
  readonly target?: string;
  readonly attempts: readonly AttemptView[];
  /** Where the backend has it. */
  readonly place?: string;
  /** When its way ended, RFC 3339. */
  readonly ended?: string;
}

/** A message, as it is found. */
export interface MessageView {
  readonly id: string;
  readonly source: string;
  readonly type: string;
  readonly timestamp: string;
  readonly received_at: string;
  readonly job_id?: string;
  readonly trace_id?: string;
  readonly seq?: number;
}

/** Everything that happened to one message. */
export interface WhyView {
  readonly message: MessageView;
  /** The batch that it became a part of; absent if that is forgotten. */
  readonly batch?: {
    readonly id: string;
    readonly size: number;
    readonly closed: string;
    readonly because: string;
  };
  /** In the order in which it came to them. */
  readonly backends: readonly BackendStory[];
}

/** Messages that are known by something else than their id. */
export interface WhyMatches {
  /** The newest last. */
  readonly matches: readonly MessageView[];
  /** How many there are, those left out included. */
  readonly total: number;
}

/** What is known of messages. */
export interface Why {
  /** One message, or those of a job, a trace, or `source:seq`; `undefined` if nothing is remembered. */
  find(id: string): WhyView | WhyMatches | undefined;
  /** What is remembered at all, in a sentence. */
  memory(): string;
}
