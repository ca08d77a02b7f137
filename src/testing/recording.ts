import type { Context, Log } from '../context.ts';
import type { Ending } from '../deliver/outcome.ts';

/** A batch at the moment at which a backend was sent it; a retry is a send of its own. */
export interface SentBatch {
  /** Milliseconds since the start, as everywhere here. */
  readonly ms: number;
  readonly backend: string;
  /** Where inside the backend: a file's path, a table. */
  readonly target: string;
  /** Names of its messages, in order; `?` for one that an operator made. */
  readonly messages: readonly string[];
}

/** What became of messages at a backend, all at one time and for one reason. */
export interface EndedMessages {
  readonly ms: number;
  readonly backend: string;
  readonly ending: Ending;
  readonly reason: string;
  readonly messages: readonly string[];
}

export interface ReloadRecord {
  readonly ms: number;
  /** Its letter in the diagram. */
  readonly name: string;
  readonly result: 'applied' | 'rejected' | 'unchanged';
  /** Why it was rejected. */
  readonly errors: readonly string[];
}

/** What happened in a test. */
export interface Recording {
  /** Messages as they were read, in order. */
  readonly received: readonly { readonly ms: number; readonly message: string }[];
  /** Messages that the sidecar did not take, and why. */
  readonly refused: readonly { readonly ms: number; readonly message: string; readonly reason: string }[];
  readonly sent: readonly SentBatch[];
  readonly ended: readonly EndedMessages[];
  readonly reloads: readonly ReloadRecord[];
  /** Warnings and errors. */
  readonly log: readonly string[];
  /** Backends of all configurations that were in force. */
  readonly backends: readonly string[];
  /** When everything was done; `undefined` where the test has no `|`. */
  readonly doneMs: number | undefined;
}

/** A recording that grows. */
export type Recorder = {
  -readonly [Key in keyof Recording]: Recording[Key] extends readonly (infer T)[] ? T[] : Recording[Key];
};

export const createRecorder = (): Recorder => ({
  received: [],
  refused: [],
  sent: [],
  ended: [],
  reloads: [],
  log: [],
  backends: [],
  doneMs: undefined,
});

/** A log that keeps warnings and errors, with their fields. */
export function recordingLog(lines: string[]): Log {
  const keep = (level: string) => (fields: object, text: string) => {
    const rest = Object.entries(fields).map(([key, value]) => `${key}=${textOf(value)}`);
    lines.push([`${level}: ${text}`, ...rest].join(' '));
  };
  return { debug: () => {}, info: () => {}, warn: keep('warn'), error: keep('error') };
}

const textOf = (value: unknown) => (value instanceof Error ? value.message : (JSON.stringify(value) ?? ''));

/** A number again and again, or, with a seed, a sequence that it fixes (xorshift, 32 bits). */
export function randomOf(fixed: number, seed: number | undefined): Context['random'] {
  if (seed === undefined) return () => fixed;
  // The state must not be 0, and small seeds must differ in many bits.
  let state = Math.imul(seed + 1, 0x9e3779b1) || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}
