/**
 * rate-limit: lets each source send so many messages a second, and drops what is beyond.
 *
 * Each source has a bucket of `burst` tokens that fills by `rate` a second; a message takes one, and is dropped
 * if there is none. Severe events pass without one. What counts is when the sidecar received a message: that it
 * reaches a rule in a batch makes no burst of it.
 *
 *   rate      messages a second; may be a fraction, such as 0.1
 *   burst     messages at once after a pause. Default: `rate`, at least 1
 *   by        the dotted path whose values (their first 256 characters) have a bucket each. Default: source
 *   always    events of this level and above pass in any case; `never` for none. Default: error
 *   max_keys  buckets kept; past it the one unused for longest is forgotten, and starts full when it comes again.
 *             Default: 10000 (about 3 MB)
 *
 *   operators:
 *     - use: rate-limit
 *       rate: 100
 *       burst: 500
 */
import {
  createKeyedQueue,
  field,
  type KeyedQueue,
  type Message,
  type Operator,
  severityOf,
} from 'monitoring-sidecar';
import { defer, filter } from 'rxjs';
import { z } from 'zod';

/** How many tokens are in it is told by when it will be full again (GCRA, ITU-T I.371). */
interface Bucket {
  /** When the latest message was received that asked for a token. */
  atMs: number;
  /** Since the operator's start. */
  fullMs: number;
}

const MAX_KEY_LENGTH = 256;
const isLevel = (level: string) => level === 'never' || severityOf(level) > 0;

const options = z.strictObject({
  rate: z.number().positive().max(1_000_000),
  burst: z.int().min(1).max(10_000_000).optional(),
  by: z.string().min(1).max(256).default('source'),
  always: z.string().refine(isLevel, { error: 'is no level' }).default('error'),
  max_keys: z.int().min(1).max(10_000_000).default(10_000),
});

const rateLimit: Operator<z.output<typeof options>> =
  ({ rate, burst = Math.max(1, Math.floor(rate)), by, always, max_keys }, { scheduler }) =>
  (message$) =>
    defer(() => {
      const keyOf = compileKey(by);
      const severe = always === 'never' ? Number.POSITIVE_INFINITY : severityOf(always);
      // Small numbers: epoch milliseconds have no room for the fractions of a high rate.
      const startMs = scheduler.now();
      const intervalMs = 1000 / rate;
      const depthMs = burst * intervalMs;
      const buckets = createKeyedQueue<string, Bucket>();

      const passes = (message: Message): boolean => {
        if (message.severity >= severe) return true;
        const key = keyOf(message);
        const bucket = buckets.get(key) ?? { atMs: message.receivedMs, fullMs: Number.NEGATIVE_INFINITY };
        // Time does not run backwards for what an operator before held, but does if the clock was set back.
        const nowMs = Math.min(Math.max(message.receivedMs, bucket.atMs), scheduler.now());
        const sinceMs = nowMs - startMs;
        // No bucket is emptier than empty, should the clock be set back.
        const knownMs = Math.min(Math.max(bucket.fullMs, sinceMs), sinceMs + depthMs);
        const hasToken = knownMs + intervalMs <= sinceMs + depthMs;
        bucket.atMs = nowMs;
        bucket.fullMs = hasToken ? knownMs + intervalMs : knownMs;
        buckets.set(key, bucket);
        forgetOldest(buckets, max_keys);
        return hasToken;
      };
      return message$.pipe(filter(passes));
    });

rateLimit.options = options;
export default rateLimit;

function compileKey(path: string): (message: Message) => string {
  const read = field(path);
  return (message) => {
    const value = read(message);
    const key = typeof value === 'string' ? value : JSON.stringify(value ?? null);
    // A copy: a slice would keep all of a long text in memory.
    return key.length <= MAX_KEY_LENGTH
      ? key
      : Buffer.from(key.slice(0, MAX_KEY_LENGTH), 'utf16le').toString('utf16le');
  };
}

function forgetOldest(queue: KeyedQueue<string, unknown>, max: number): void {
  for (const [oldest] of queue) {
    if (queue.size <= max) return;
    queue.delete(oldest);
  }
}
