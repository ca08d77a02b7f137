import type { RejectedLogEventsInfo } from '@aws-sdk/client-cloudwatch-logs';
import type { Message } from '../../message.ts';
import { isNamed, type LogsApi } from './api.ts';
import type { Call } from './calls.ts';
import { REASONS } from './events.ts';
import type { Place } from './place.ts';

/**
 * Sends one call; `make` is asked for a place that is missing. Resolves with the messages that the service refused,
 * and why: an answer of 200 may say so.
 */
export async function putCall(
  api: LogsApi,
  { group, stream }: Place,
  call: Call,
  make: () => Promise<void>,
  signal: AbortSignal,
): Promise<ReadonlyMap<Message, string>> {
  const logEvents = call.map(({ timestamp, text }) => ({ timestamp, message: text }));
  const put = () => api.putEvents({ logGroupName: group, logStreamName: stream, logEvents }, signal);
  try {
    return refusedOf(call, await put());
  } catch (error) {
    // Older services still know sequence tokens: this says that an earlier try went through.
    if (isNamed(error, 'DataAlreadyAcceptedException')) return new Map();
    if (!isNamed(error, 'ResourceNotFoundException')) throw error;
  }
  await make();
  return refusedOf(call, await put());
}

/** Ends are exclusive, the start is inclusive; each that is there means at least one event. */
function refusedOf(call: Call, rejected: RejectedLogEventsInfo): ReadonlyMap<Message, string> {
  const refused = new Map<Message, string>();
  const refuse = (from: number, to: number, reason: string) => {
    for (const { message } of call.slice(from, to)) refused.set(message, reason);
  };
  const { tooOldLogEventEndIndex, expiredLogEventEndIndex, tooNewLogEventStartIndex } = rejected;
  if (expiredLogEventEndIndex !== undefined) refuse(0, Math.max(1, expiredLogEventEndIndex), REASONS.expired);
  if (tooOldLogEventEndIndex !== undefined) refuse(0, Math.max(1, tooOldLogEventEndIndex), REASONS.tooOld);
  if (tooNewLogEventStartIndex !== undefined) refuse(tooNewLogEventStartIndex, call.length, REASONS.tooNew);
  return refused;
}
