import { Permanent, Throttled } from '../../deliver/sink.ts';

/** A pause where the service names none. */
const PAUSE_MS = 1000;

const THROTTLING = new Set([
  'BandwidthLimitExceeded',
  'LimitExceededException',
  'PriorRequestNotComplete',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'ServiceUnavailable',
  'ServiceUnavailableException',
  'SlowDown',
  'ThrottledException',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
]);

/** What is wrong with the request itself; repeating it cannot help. */
const INVALID = new Set([
  'EntityTooLarge',
  'InvalidArgument',
  'InvalidParameterException',
  'InvalidRequest',
  'KeyTooLongError',
  'RequestEntityTooLargeException',
  'SerializationException',
  'ValidationException',
]);

const TOO_MANY_REQUESTS = 429;
const SERVICE_UNAVAILABLE = 503;

interface ServiceFailure {
  readonly name?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $retryable?: { readonly throttling?: boolean };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

/**
 * What an error of an AWS client means to a lane: `Throttled`, `Permanent`, or the error as it is, to be retried.
 * Refused access is retried: rights and keys are mended, and nothing is lost meanwhile.
 */
export function failureOf(error: unknown): Error {
  if (!(error instanceof Error)) return new Error(String(error));
  const failure = error as ServiceFailure & Error;
  const text = `${error.name}: ${error.message}`;
  if (isThrottling(failure)) return new Throttled(text, retryAfterMs(failure), { cause: error });
  if (INVALID.has(error.name)) return new Permanent(text, { cause: error });
  return error;
}

function isThrottling({ name, $metadata, $retryable }: ServiceFailure): boolean {
  const status = $metadata?.httpStatusCode;
  return (
    $retryable?.throttling === true ||
    status === TOO_MANY_REQUESTS ||
    status === SERVICE_UNAVAILABLE ||
    THROTTLING.has(String(name))
  );
}

/** `Retry-After` in seconds (RFC 9110); a date would need the other side's clock. */
function retryAfterMs({ $response }: ServiceFailure): number {
  const seconds = Number($response?.headers?.['retry-after']);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : PAUSE_MS;
}
