import { type MonoTypeOperatorFunction, map } from 'rxjs';
import { memoise } from '../flow/memoise.ts';
import { type Message, withIds } from '../message.ts';
import type { TraceStore } from './store.ts';

/**
 * Links messages by job and trace: one with a job id and no trace id gets the job's trace, and the reverse; then
 * files it in the store. A message that already says both passes as the identical object.
 */
export const correlate = (store: TraceStore): MonoTypeOperatorFunction<Message> =>
  map((message) => {
    const linked = link(message, store);
    store.add(linked);
    return linked;
  });

/** How many ids' JSON is remembered: a job's is needed for each of its messages. */
const MAX_MEMBERS = 4096;
const jobMember = memoise(MAX_MEMBERS, (jobId: string) => `,"job_id":${JSON.stringify(jobId)}`);
const traceMember = memoise(MAX_MEMBERS, (traceId: string) => `,"trace_id":${JSON.stringify(traceId)}`);

function link(message: Message, store: TraceStore): Message {
  const { jobId, traceId } = message;
  if ((jobId === '') === (traceId === '')) return message;
  if (traceId === '') {
    const found = store.traceOfJob(jobId);
    return found === '' ? message : withIds(message, jobId, found, traceMember(found));
  }
  const found = store.jobOfTrace(traceId);
  return found === '' ? message : withIds(message, found, traceId, jobMember(found));
}
