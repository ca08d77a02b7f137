import { map, type Observable, type OperatorFunction } from 'rxjs';
import type { Context } from '../context.ts';
import { keepDefined } from '../flow/keep-defined.ts';
import { mapWith } from '../flow/map-with.ts';
import { createMessage, type Message } from '../message.ts';
import { type Canonical, canonicalise } from './canonicalise.ts';
import { createIds } from './ids.ts';
import type { Frame, ScannedFrame } from './record.ts';

export interface NormaliseOptions {
  /** `host` of every delivered record; '' adds none. A record's own host wins. */
  readonly host: string;
  /** Static `tags` of every delivered record; a record's own top-level tags win key by key. */
  readonly tags: Readonly<Record<string, string>>;
}

const DAY_MS = 86_400_000;

/** Turns frames into messages; a frame against the envelope's rules is counted as rejected, reason `schema`. */
export function normalise(
  options$: Observable<NormaliseOptions>,
  context: Context,
): OperatorFunction<Frame, Message> {
  const nextId = createIds(context.random);
  const toMessage$ = options$.pipe(map((options) => createNormaliser(options, nextId, context)));
  return (frame$) => frame$.pipe(mapWith(toMessage$), keepDefined());
}

const asSent = ({ envelope, text }: ScannedFrame): Canonical => ({
  envelope,
  text,
  value: undefined,
  flags: '',
});

function createNormaliser(
  { host, tags }: NormaliseOptions,
  nextId: (nowMs: number) => string,
  { scheduler, counters }: Context,
): (frame: Frame) => Message | undefined {
  const hostTail = host === '' ? '' : `,"host":${JSON.stringify(host)}`;
  const tagsTail = Object.keys(tags).length === 0 ? '' : `,"tags":${JSON.stringify(tags)}`;

  return (frame) => {
    const receivedMs = scheduler.now();
    const canonical = frame.envelope === undefined ? canonicalise(frame, receivedMs, tags) : asSent(frame);
    if (canonical === undefined) {
      counters.rejected('schema');
      return undefined;
    }
    const { envelope: e, text, value, flags } = canonical;
    let tail = flags;
    if (Math.abs(e.timeMs - receivedMs) > DAY_MS) tail += ',"ts_skewed":true';
    if (e.jobIdLifted) tail += `,"job_id":${JSON.stringify(e.jobId)}`;
    if (!e.hasHost) tail += hostTail;
    if (!e.hasTags) tail += tagsTail;
    counters.received(e.source, e.type);
    return createMessage({
      id: nextId(receivedMs),
      source: e.source,
      type: e.type,
      timeMs: e.timeMs,
      receivedMs,
      traceId: e.traceId,
      spanId: e.spanId,
      jobId: e.jobId,
      seq: e.seq,
      severity: e.severity,
      head: text.slice(0, -1),
      tail,
      parsed: value,
    });
  };
}
