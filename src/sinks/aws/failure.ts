import { Permanent, Throttled } from '../../deliver/sink.ts';

/** The pause where the service names none. */
const PAUSE_MS = 1000;

/** Codes that ask for a pause whatever their status is. */
const THROTTLING: ReadonlySet<string> = new Set([
  'BandwidthLimitExceeded',
  'EC2ThrottledException',
  'ProvisionedThroughputExceededException',
  'RequestLimitExceeded',
  'RequestThrottled',
  'RequestThrottledException',
  'SlowDown',
  'ThrottledException',
  'Throttling',
  'ThrottlingException',
  'TooManyRequestsException',
]);

/**
 * Codes of status 400 that say nothing of the batch: credentials, clocks, rights and what is missing can be put
 * right, and until then nothing may be lost.
 */
const HEALING: ReadonlySet<string> = new Set([
  'AccessDeniedException',
  'AuthorizationHeaderMalformed',
  'ExpiredToken',
  'ExpiredTokenException',
  'IncompleteSignature',
  'InvalidClientTokenId',
  'InvalidSignatureException',
  'InvalidToken',
  'MissingAuthenticationToken',
  'MissingAuthenticationTokenException',
  'NotAuthorized',
  'OperationAbortedException',
  'OptInRequired',
  'RequestExpired',
  'RequestTimeout',
  'RequestTimeoutException',
  'ResourceNotFoundException',
  'TokenRefreshRequired',
  'UnrecognizedClientException',
]);

/** Answers of class 4xx that another time or another set-up may turn into success; 429 is throttling. */
const HEALING_STATUS: ReadonlySet<number> = new Set([401, 403, 404, 407, 408, 409, 412, 423, 425]);

/** What the SDK calls an answer that it cannot read: it comes from a proxy, or from something else than the service. */
const FOREIGN: ReadonlySet<string> = new Set(['Error', 'SyntaxError', 'Unknown', 'UnknownError']);
const FOREIGN_ANSWER =
  'the answer is not one of this service; does `endpoint` lead to it, or is there a proxy before it?';
/** The one answer of a proxy that is about the batch. */
const TOO_LARGE = 413;

/** What an error of the SDK says; `status` is 0 where there was no answer. */
export interface AwsError {
  readonly code: string;
  readonly message: string;
  readonly status: number;
  readonly retryAfterMs: number | undefined;
  /** Where S3 says that the bucket is; '' where it says nothing. */
  readonly bucketRegion: string;
  /** It is no answer of the service. */
  readonly isForeign: boolean;
}

interface SdkError {
  readonly name?: unknown;
  readonly code?: unknown;
  readonly message?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

/** Reads an error, whatever was thrown. */
export function awsErrorOf(error: unknown): AwsError {
  const { name, code, message, $metadata, $response } = (error ?? {}) as SdkError;
  const headers = $response?.headers ?? {};
  const seconds = Number(headers['retry-after']);
  // Of a connection that failed at several addresses only the code says anything.
  const given = typeof name === 'string' && !/^(Aggregate)?Error$/.test(name) ? name : code;
  const said = typeof given === 'string' ? given : 'Error';
  const status = $metadata?.httpStatusCode ?? 0;
  const isForeign = status > 0 && FOREIGN.has(said);
  const text = typeof message === 'string' ? message : String(error);
  return {
    code: isForeign ? `HTTP ${status}` : said,
    message: isForeign ? FOREIGN_ANSWER : text,
    status,
    retryAfterMs: seconds > 0 ? seconds * 1000 : undefined,
    bucketRegion: headers['x-amz-bucket-region'] ?? '',
    isForeign,
  };
}

/**
 * What an error of an AWS client means to the lane. Throttling (429 and 503 too) is a `Throttled`. A request that the
 * service will never take is a `Permanent` of scope `batch`. All else is tried again: the network, 5xx, and what heals
 * with the set-up, such as credentials, rights, buckets and an `endpoint` that is none.
 */
export function failureOf(error: unknown): Error {
  if (error instanceof Permanent || error instanceof Throttled) return error;
  const { code, message, status, retryAfterMs, isForeign } = awsErrorOf(error);
  const text = `${code}: ${message}`;
  if (THROTTLING.has(code) || status === 429 || status === 503) {
    return new Throttled(text, retryAfterMs ?? PAUSE_MS, { cause: error });
  }
  const isHealing = isForeign ? status !== TOO_LARGE : HEALING_STATUS.has(status) || HEALING.has(code);
  if (status >= 400 && status < 500 && !isHealing) {
    return new Permanent(text, { cause: error, scope: 'batch' });
  }
  return error instanceof Error && !isForeign ? error : new Error(text, { cause: error });
}
