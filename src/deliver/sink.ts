import type { Observable } from 'rxjs';
import type { ZodType } from 'zod';
import type { Batch } from '../batch.ts';
import type { Context } from '../context.ts';
import type { Message } from '../message.ts';

/**
 * Where inside a backend a batch goes (a file, a table, a stream). Batches with equal keys may share a send. Plain
 * data: the spool keeps it as JSON, and `send` must know what comes back, perhaps after a restart.
 */
export interface Target {
  readonly key: string;
}

/** A rule's compiled destination. `perMessage: false` promises that messages of one source share a target. */
export interface Address {
  readonly perMessage: boolean;
  target(message: Message): Target;
}

/** Messages that go to one target. */
export interface Addressed {
  readonly target: Target;
  readonly messages: readonly Message[];
}

/** The messages of a batch by target, in order of each target's first message. */
export function byTarget(address: Address, { source, messages }: Batch): readonly Addressed[] {
  const [first] = messages;
  if (first === undefined) return [];
  // A lane may have merged several sources.
  if (!address.perMessage && source !== '') return [{ target: address.target(first), messages }];
  const found = new Map<string, { target: Target; messages: Message[] }>();
  for (const message of messages) {
    const target = address.target(message);
    const same = found.get(target.key);
    if (same === undefined) found.set(target.key, { target, messages: [message] });
    else same.messages.push(message);
  }
  return [...found.values()];
}

/** Where in the backend a batch is, for people: an object's key, a place in a file. Without one it is the target's key. */
export interface Receipt {
  readonly place: string;
}

/** What one send may carry; a lane merges waiting batches of one target up to it. */
export interface MergeLimits {
  readonly maxMessages: number;
  readonly maxBytes: number;
  /** How long a batch that is not critical waits for others to share its send, milliseconds. Default 0. */
  readonly maxAgeMs?: number;
  /** The same behind a send of `BUSY_BYTES` or more: at such a rate fewer, larger sends count for more. Default `maxAgeMs`. */
  readonly busyAgeMs?: number;
}

/** A send as large as this is one of a busy backend. */
export const BUSY_BYTES = 65_536;

/** Messages of a job or trace that a backend keeps, in order of arrival. */
export interface StoredStory {
  readonly messages: readonly Message[];
  /** Older ones that are there and were not read. */
  readonly leftOff: number;
}

/** Which jobs are asked for. */
export interface StoredJobsQuery {
  readonly limit: number;
  /** The `next` of the page before. */
  readonly after: string | undefined;
  /** Ids of jobs that are not wanted. */
  readonly except: readonly string[];
  /** Active since, epoch milliseconds. */
  readonly sinceMs: number | undefined;
}

/** A page of jobs by id, the most recently active first. */
export interface StoredJobs {
  readonly jobs: ReadonlyMap<string, StoredStory>;
  /** Where the next page begins; absent on the last one. */
  readonly next?: string;
}

/**
 * Reads what a backend keeps. Each emits once and completes, or errors when the backend does not answer; unsubscribing
 * gives up. Nothing here makes a send wait.
 */
export interface Stored {
  /** The newest messages of a job or trace, bounded. */
  story(kind: 'job' | 'trace', id: string): Observable<StoredStory>;
  jobs(query: StoredJobsQuery): Observable<StoredJobs>;
}

/** What is read of the end of what a backend keeps. */
export interface RecentQuery {
  /** Received since, and before; epoch milliseconds. */
  readonly fromMs: number;
  readonly toMs: number;
  /** Bytes that are read at most, from the end. */
  readonly maxBytes: number;
}

/** An open backend. All of its state lives behind it; its lane makes it bounded, retried and counted. */
export interface Sink {
  readonly merge: MergeLimits;
  /**
   * The limits of a target, where they are not always `merge`; `maxAgeMs` in them is ignored. Asked whenever `joining`
   * joins the batches that wait for it: must be cheap, and must not throw.
   */
  limits?(target: Target, joining: Batch): MergeLimits;
  /** How long a send may go without a sign before a full lane calls the backend stuck, milliseconds. Default 1000. */
  readonly stallAfterMs?: number;
  /**
   * Sends of one target at the same time, for a backend that needs no order; beside other targets one fewer, which is
   * left to them. Default 1: in order.
   */
  readonly sendsPerTarget?: number;
  /** Absent where it cannot be asked for what it keeps. */
  readonly stored?: Stored;
  /** The newest messages that it keeps, in pieces; absent where it cannot be asked. */
  recent?(query: RecentQuery): Observable<readonly Message[]>;
  /**
   * Compiles a rule's `config`. Throws `Error` if it cannot, as where what waited comes with the `config` of a rule for
   * another type of backend.
   */
  address(overrides: object): Address;
  /**
   * Completes when the backend has accepted the whole batch; errors with `Partly` if it took a part of it, with
   * `Permanent`, `Throttled`, or anything else, which counts as transient. Unsubscribing aborts. An emission says that
   * it gets on, whatever its value; a `Receipt` says besides where the batch is now.
   */
  send(batch: Batch, target: Target): Observable<unknown>;
  /** Called once, after the last send; completes when resources are released. */
  close(): Observable<never>;
}

/** What a sink may know of its surroundings beside the context. */
export interface SinkContext extends Context {
  /** The backend's name in the configuration. */
  readonly backend: string;
  /** Absolute folder for state of the sidecar's own. */
  readonly dataDir: string;
}

/** The default export of every file in `sinks/`; the file's name is the `type:` in the configuration. */
export interface SinkDefinition<Options extends object = object> {
  /** Keys of `backends.<name>` beside `type` and the lane's own (`retry`, `breaker`, `queue`, …). */
  readonly options: ZodType<Options>;
  /** Keys a rule's `config` may override. */
  readonly overrides: ZodType<object>;
  /** Opens the backend without waiting for it; connecting belongs to the first send. Throws `Error` if it cannot. */
  readonly open: (options: Options, context: SinkContext) => Sink;
}

/**
 * The backend will never take this batch as it is. Of scope `message` (default) it is bisected until the poison
 * stands alone, which goes to the dead letters; of scope `batch` all of it goes there: the target is at fault.
 */
export class Permanent extends Error {
  override readonly name = 'Permanent';
  readonly scope: 'message' | 'batch';
  constructor(message: string, options?: ErrorOptions & { readonly scope?: 'message' | 'batch' }) {
    super(message, options);
    this.scope = options?.scope ?? 'message';
  }
}

/** The backend asks for a pause. */
export class Throttled extends Error {
  override readonly name = 'Throttled';
  readonly retryAfterMs: number;
  constructor(message: string, retryAfterMs: number, options?: ErrorOptions) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/**
 * The backend took a part of the batch. What is in `refused` it will never take, for the reason that stands with it:
 * dead letters. What is in `unsent` is sent again: as `cause` says, or at once if there is none. All else is accepted.
 */
export class Partly extends Error {
  override readonly name = 'Partly';
  readonly refused: ReadonlyMap<Message, string>;
  readonly unsent: ReadonlySet<Message>;
  constructor(
    message: string,
    parts: {
      readonly refused?: ReadonlyMap<Message, string>;
      readonly unsent?: ReadonlySet<Message>;
      readonly cause?: unknown;
    },
  ) {
    super(message, parts.cause === undefined ? undefined : { cause: parts.cause });
    this.refused = parts.refused ?? new Map();
    this.unsent = parts.unsent ?? new Set();
  }
}
