import { Permanent, Throttled } from '../../deliver/sink.ts';
import { awsErrorOf, failureOf } from '../aws/failure.ts';

/** Quotas and overload that CloudWatch Logs names in its own way. */
const PAUSES: ReadonlySet<string> = new Set(['LimitExceededException', 'ServiceUnavailableException']);
/** Of a call's contents, so that it is divided until the event at fault stands alone. */
const INVALID: ReadonlySet<string> = new Set([
  'InvalidParameterException',
  'RequestEntityTooLargeException',
  'SerializationException',
  'ValidationException',
]);
const PAUSE_MS = 1000;

/**
 * What an error of CloudWatch Logs means to the lane: `Throttled`, a `Permanent` of scope `message`, or as it is, to be
 * tried again. What is not known to be an event's fault is not called permanent: it would cost the whole batch.
 */
export function logsFailureOf(error: unknown): Error {
  const { code, message, retryAfterMs } = awsErrorOf(error);
  const text = `${code}: ${message}`;
  if (PAUSES.has(code)) return new Throttled(text, retryAfterMs ?? PAUSE_MS, { cause: error });
  const failure = failureOf(error);
  if (!(failure instanceof Permanent)) return failure;
  if (INVALID.has(code)) return new Permanent(text, { cause: error });
  return error instanceof Error ? error : new Error(text, { cause: error });
}
