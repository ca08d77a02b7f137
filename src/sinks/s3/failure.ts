import { Permanent, Throttled } from '../../deliver/sink.ts';
import { awsErrorOf, failureOf } from '../aws/failure.ts';

/**
 * Codes of status 400 that pass: bytes that were harmed on their way, an upload that was ended behind our back, a
 * key or a bucket's place that can be set right.
 */
const PASSING: ReadonlySet<string> = new Set([
  'BadDigest',
  'IllegalLocationConstraintException',
  'IncompleteBody',
  'InvalidDigest',
  'InvalidPart',
  'InvalidPartOrder',
  'XAmzContentChecksumMismatch',
  'XAmzContentSHA256Mismatch',
]);

/** `error` as the lane wants it, naming the object. */
export function failure(error: unknown, object: string): Error {
  const { code, message } = awsErrorOf(error);
  const text = `${object}: ${code}: ${message}`;
  const meant = PASSING.has(code) || code.startsWith('KMS.') ? error : failureOf(error);
  if (meant instanceof Permanent) return new Permanent(text, { cause: error, scope: meant.scope });
  if (meant instanceof Throttled) return new Throttled(text, meant.retryAfterMs, { cause: error });
  return new Error(text, { cause: error });
}
