import { map, type Observable, type OperatorFunction } from 'rxjs';
import {
  addAll,
  addBytes,
  addText,
  arenaEnd,
  endLine,
  memberBytes,
  mostBytes,
  releaseInput,
  startLine,
} from '../arena.ts';
import type { Context } from '../context.ts';
import { mapWith } from '../flow/map-with.ts';
import { memoise } from '../flow/memoise.ts';
import { ENDING_BYTES, isoTime, type JsonObject, type Message, messageOf } from '../message.ts';
import type { Canonical } from './canonical.ts';
import { canonicalise } from './canonicalise.ts';
import { faultOf } from './envelope.ts';
import { createIds, type Ids } from './ids.ts';
import type { SentFrame, SessionFrame } from './record.ts';
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
const jobMember = memoise(MAX_MEMBERS, (jobId: string) => memberBytes('job_id', jobId));

/** Turns frames into messages; a frame against the envelope's rules is counted as rejected, reason `schema`. */
export function normalise(
  options$: Observable<NormaliseOptions>,
  context: Context,
): OperatorFunction<SentFrame, Message> {
  const ids = createIds(context.random);
  const toMessage$ = options$.pipe(map((options) => createNormaliser(options, ids, context)));
  return (frame$) => frame$.pipe(mapWith(toMessage$));
}

function createNormaliser(
  { host, tags }: NormaliseOptions,
  ids: Ids,
  context: Context,
): (frame: SentFrame) => Message | undefined {
  const { counters } = context;
  const hostMember = host === '' ? '' : `,"host":${JSON.stringify(host)}`;
  const tagsMember = Object.keys(tags).length === 0 ? '' : `,"tags":${JSON.stringify(tags)}`;
  const plain = createStamp(ids, hostMember + tagsMember);
  /** For records that have a host or tags already. */
  const bare = createStamp(ids, '');

  /** A record as a message whose stamp has the members that are always the same, or none of them. */
  const build = (record: Canonical, id: string, stamp: Buffer, isPlain: boolean, also: string) => {
    const { receivedMs } = record;
    let more = record.flags + also;
    if (Math.abs(record.timeMs - receivedMs) > DAY_MS) more += ',"ts_skewed":true';
    if (!isPlain && !record.hasHost) more += hostMember;
    if (!isPlain && !record.hasTags) more += tagsMember;
    const job = record.jobIdLifted ? jobMember(record.jobId) : NONE;
    counters.received(record.source, record.type);
    if (typeof record.head !== 'string') releaseInput(record.head, record.to + 1);
    const start = startLine(mostBytesOf(record) + stamp.length + job.length + mostBytes(more) + ENDING_BYTES);
    addHead(record);
    const headBytes = arenaEnd() - start;
    addAll(stamp);
    if (job !== NONE) addAll(job);
    if (more !== '') addText(more);
    endLine();
    return messageOf(record, id, start, headBytes, record.value, record.ticket);
  };

  /** Of a client that has said hello: its record may be a duplicate, and has an id that says so. */
  const ofSession = ({ frame, origin }: SessionFrame) => {
    const { receivedMs } = frame;
    const record = frame.head === undefined ? canonicalise(frame, tags) : frame;
    if (record === undefined) {
      rejectRecord(faultOf(frame.value ?? {}), context);
      origin.discarded('schema');
      return undefined;
    }
    const admission = origin.admit(record.seq);
    if (admission === 'duplicate') counters.rejected('duplicate');
    if (admission !== 'new') return undefined;
    const id = origin.idOf(record.seq) ?? ids.next(receivedMs);
    const stamp = Buffer.from(`,"id":"${id}","received_at":"${isoTime(receivedMs)}"`);
    return build(record, id, stamp, false, namesSession(record) ? '' : origin.member);
  };

  return (frame) => {
    if (frame.head === undefined && frame.origin !== undefined) return ofSession(frame);
    const { receivedMs } = frame;
    const record = frame.head === undefined ? canonicalise(frame, tags) : frame;
    if (record === undefined) {
      rejectRecord(faultOf(frame.value ?? {}), context);
      return undefined;
    }
    const isPlain = !record.hasHost && !record.hasTags;
    const id = ids.next(receivedMs);
    const stamp = (isPlain ? plain : bare).bytes(id, receivedMs);
    return build(record, id, stamp, isPlain, '');
  };
}

/** Whether a record has a `session` of its own, which wins. */
function namesSession({ value, head, from, to }: Canonical): boolean {
  if (value !== undefined) return value.session !== undefined;
  const text = typeof head === 'string' ? head : head.toString('utf8', from, to);
  if (!text.includes('session') && !text.includes('\\u')) return false;
  return (JSON.parse(`${text}}`) as JsonObject).session !== undefined;
}

const mostBytesOf = ({ head, from, to }: Canonical) =>
  typeof head === 'string' ? mostBytes(head) : to - from;

function addHead({ head, from, to }: Canonical): void {
  if (typeof head === 'string') addText(head);
  else addBytes(head, from, to);
}
