import { map, type Observable, type OperatorFunction } from 'rxjs';
import { addAll, addBytes, addText, arenaEnd, endLine, mostBytes, startLine } from '../arena.ts';
import type { Context } from '../context.ts';
import { keepDefined } from '../flow/keep-defined.ts';
import { mapWith } from '../flow/map-with.ts';
import { memoise } from '../flow/memoise.ts';
import { ENDING_BYTES, type Message, messageOf } from '../message.ts';
import type { Canonical } from './canonical.ts';
import { canonicalise } from './canonicalise.ts';
import { faultOf } from './envelope.ts';
import { createIds, type Ids } from './ids.ts';
import type { Frame } from './record.ts';
import { rejectRecord } from './rejections.ts';
import { createStamp } from './stamp.ts';

export interface NormaliseOptions {
  /** `host` of every delivered record; '' adds none. A record's own host wins. */
  readonly host: string;
  /** Static `tags` of every delivered record; a record's own top-level tags win key by key. */
  readonly tags: Readonly<Record<string, string>>;
}

const DAY_MS = 86_400_000;
const NONE = Buffer.alloc(0);

/** How many job ids' JSON is remembered: it is needed for each of a job's messages. */
const MAX_MEMBERS = 4096;
const jobMember = memoise(MAX_MEMBERS, (jobId: string) => Buffer.from(`,"job_id":${JSON.stringify(jobId)}`));

/** Turns frames into messages; a frame against the envelope's rules is counted as rejected, reason `schema`. */
export function normalise(
  options$: Observable<NormaliseOptions>,
  context: Context,
): OperatorFunction<Frame, Message> {
  const ids = createIds(context.random);
  const toMessage$ = options$.pipe(map((options) => createNormaliser(options, ids, context)));
  return (frame$) => frame$.pipe(mapWith(toMessage$), keepDefined());
}

function createNormaliser(
  { host, tags }: NormaliseOptions,
  ids: Ids,
  context: Context,
): (frame: Frame) => Message | undefined {
  const { scheduler, counters } = context;
  const hostMember = host === '' ? '' : `,"host":${JSON.stringify(host)}`;
  const tagsMember = Object.keys(tags).length === 0 ? '' : `,"tags":${JSON.stringify(tags)}`;
  const plain = createStamp(ids, hostMember + tagsMember);
  /** For records that have a host or tags already. */
  const bare = createStamp(ids, '');

  return (frame) => {
    const receivedMs = scheduler.now();
    const record = frame.head === undefined ? canonicalise(frame, receivedMs, tags) : frame;
    if (record === undefined) {
      rejectRecord(faultOf(frame.value ?? {}), context);
      return undefined;
    }
    let more = record.flags;
    if (Math.abs(record.timeMs - receivedMs) > DAY_MS) more += ',"ts_skewed":true';
    const isPlain = !record.hasHost && !record.hasTags;
    if (!isPlain && !record.hasHost) more += hostMember;
    if (!isPlain && !record.hasTags) more += tagsMember;
    const job = record.jobIdLifted ? jobMember(record.jobId) : NONE;
    counters.received(record.source, record.type);
    const id = ids.next(receivedMs);
    const stamp = (isPlain ? plain : bare).bytes(id, receivedMs);
    const start = startLine(mostBytesOf(record) + stamp.length + job.length + mostBytes(more) + ENDING_BYTES);
    addHead(record);
    const headBytes = arenaEnd() - start;
    addAll(stamp);
    if (job !== NONE) addAll(job);
    if (more !== '') addText(more);
    endLine();
    return messageOf(record, id, receivedMs, start, headBytes, record.value);
  };
}

const mostBytesOf = ({ head, from, to }: Canonical) =>
  typeof head === 'string' ? mostBytes(head) : to - from;

function addHead({ head, from, to }: Canonical): void {
  if (typeof head === 'string') addText(head);
  else addBytes(head, from, to);
}
