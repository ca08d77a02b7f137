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

/** Codes of a bucket that is asked for in another region than its own. */
const ELSEWHERE: ReadonlySet<string> = new Set(['AuthorizationHeaderMalformed', 'PermanentRedirect']);

/** `error` as the lane wants it, naming the object, and the region that its bucket is in if that is the fault. */
export function failure(error: unknown, object: string): Error {
  const { code, message, bucketRegion } = awsErrorOf(error);
  const isElsewhere = bucketRegion !== '' && ELSEWHERE.has(code);
  const text = `${object}: ${code}: ${message}${isElsewhere ? ` (set \`region: ${bucketRegion}\`)` : ''}`;
  const meant = PASSING.has(code) || code.startsWith('KMS.') ? error : failureOf(error);
  if (meant instanceof Permanent) return new Permanent(text, { cause: error, scope: meant.scope });
  if (meant instanceof Throttled) return new Throttled(text, meant.retryAfterMs, { cause: error });
  return new Error(text, { cause: error });
}
