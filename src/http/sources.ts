import type { MetricWindows } from '../aggregate/view.ts';
import type { Traces, WholeTraces } from '../correlate/view.ts';
import type { Why } from '../journal/view.ts';
import type { LiveFilter } from '../live/filter.ts';
import type { Streams } from '../live/streams.ts';
import type { MessagePage } from '../live/view.ts';
import type { Json } from '../message.ts';
import type { HealthView, OverviewView } from './health-view.ts';
import type { PlanView, RejectedPlan } from './plan-view.ts';

/** Whether the sidecar does its work now. */
export interface Readiness {
  /** False while starting, while shutting down, and while something keeps it from taking or delivering messages. */
  readonly ready: boolean;
  /** Why it is not ready, one sentence each. */
  readonly reasons: readonly string[];
  /** What deserves attention though it works, such as a listener that is open to the network. */
  readonly warnings: readonly string[];
}

/** The running configuration and what became of the last edit. */
export interface ConfigView {
  readonly file: string;
  /** Of the file's text, to tell two configurations apart. */
  readonly hash: string;
  /** When it was applied, RFC 3339. */
  readonly loaded: string;
  /** Folder of the sidecar's own state, absolute. */
  readonly data_dir: string;
  /** Where it really takes telemetry: `host:port`, or a Unix socket's path. */
  readonly listening: readonly string[];
  /** With secrets redacted. */
  readonly config: Json;
  /** Null until the first reload. */
  readonly last_reload: ReloadView | null;
  /** Whether the file on disk now was rejected. */
  readonly rejected_on_disk: boolean;
  /** The last reloads, the newest first; the start is the oldest while it is remembered. */
  readonly history: readonly ReloadEntry[];
}

/** One reload. */
export interface ReloadView {
  /** RFC 3339. */
  readonly time: string;
  readonly result: 'applied' | 'rejected' | 'unchanged';
  /** `file:line:column path: what is wrong`, one each; empty unless rejected. */
  readonly errors: readonly string[];
}

/** One reload, remembered. */
export interface ReloadEntry extends ReloadView {
  /** Of the configuration; '' of a text that could not be read. */
  readonly hash: string;
  /** Unified, of the file's text against the one in force before; secrets redacted. */
  readonly diff: string;
  /** The same errors in parts. */
  readonly problems: readonly {
    readonly file: string;
    /** From 1; 0: no place in the file. */
    readonly line: number;
    readonly column: number;
    readonly path: string;
    readonly message: string;
  }[];
}

/** What the HTTP side shows; every function is called a request and answers from memory. */
export interface HttpSources {
  /** The time, epoch milliseconds. */
  nowMs(): number;
  ready(): Readiness;
  readonly metrics: {
    readonly contentType: string;
    text(): Promise<string>;
  };
  readonly traces: Traces;
  /** The same, and what a database has of it: the one part that is not answered from memory. */
  readonly whole: WholeTraces;
  /** Absent where none are kept. */
  readonly windows?: MetricWindows | undefined;
  readonly why: Why;
  overview(): OverviewView;
  health(): HealthView;
  config(): ConfigView;
  /** Recent messages that pass, the newest first, after the one of id `cursor`. */
  messages(filter: LiveFilter, limit: number, cursor?: string): MessagePage;
  readonly streams: Streams;
  /** What a text would do if the configuration file held it. Changes nothing; never rejects. */
  plan(text: string): Promise<PlanView | RejectedPlan>;
}
