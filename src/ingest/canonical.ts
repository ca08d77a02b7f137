import type { JsonObject } from '../message.ts';

/** A record in canonical form: its text changed where it had to be, and nowhere else. */
export interface Canonical {
  readonly source: string;
  readonly type: string;
  readonly timeMs: number;
  /** When its last byte was read, epoch milliseconds. */
  readonly receivedMs: number;
  /** Ids are '' where absent. */
  readonly traceId: string;
  readonly spanId: string;
  readonly jobId: string;
  /** The job id was found in `data`; the record itself has none. */
  readonly jobIdLifted: boolean;
  readonly seq: number;
  readonly severity: number;
  readonly hasHost: boolean;
  readonly hasTags: boolean;
  /** Its JSON text without the closing brace: a text, or UTF-8 from `from` to `to`, until the next record is read. */
  readonly head: string | Buffer;
  readonly from: number;
  readonly to: number;
  /** The record parsed; `undefined` where nobody had to. */
  readonly value: JsonObject | undefined;
  /** Members that say what was irregular: '' or `,"ts_adjusted":true…`. */
  readonly flags: string;
  /** Of its `numbers`, if they were read. */
  readonly ticket: number;
}
