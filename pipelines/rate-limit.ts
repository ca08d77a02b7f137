/**
 * rate-limit: lets each source send so many messages a second, and drops what is beyond.
 *
 * Each source has a bucket of `burst` tokens that fills by `rate` a second; a message takes one, and is dropped
 * if there is none. Severe events pass without one.
 *
 *   rate      messages a second; may be a fraction, such as 0.1
 *   burst     messages at once after a pause. Default: `rate`, at least 1
 *   by        the dotted path whose values have a bucket each. Default: source
 *   always    events of this level and above pass in any case; `never` for none. Default: error
 *   max_keys  buckets kept; past it the oldest is forgotten, and starts full when it comes again.
 *             Default: 10000 (1 to 2 MB)
 *
 *   operators:
 *     - use: rate-limit
 *       rate: 100
 *       burst: 500
 */
import { field, type Message, type Operator, severityOf } from 'monitoring-sidecar';
import { defer, filter } from 'rxjs';
import { z } from 'zod';

const isLevel = (level: string) => level === 'never' || severityOf(level) > 0;

const options = z.strictObject({
  rate: z.number().positive().max(10_000_000),
  burst: z.int().min(1).max(10_000_000).optional(),
  by: z.string().min(1).max(256).default('source'),
  always: z.string().refine(isLevel, { error: 'is no level' }).default('error'),
  max_keys: z.int().min(1).max(10_000_000).default(10_000),
});

interface Bucket {
  tokens: number;
  filledMs: number;
}

const rateLimit: Operator<z.output<typeof options>> =
  ({ rate, burst = Math.max(1, Math.floor(rate)), by, always, max_keys }, { scheduler }) =>
  (message$) =>
    defer(() => {
      const keyOf = field(by);
      const severe = always === 'never' ? Number.POSITIVE_INFINITY : severityOf(always);
      const buckets = new Map<unknown, Bucket>();

      const fresh = (key: unknown, nowMs: number) => {
        const bucket = { tokens: burst, filledMs: nowMs };
        buckets.set(key, bucket);
        for (const oldest of buckets.keys()) {
          if (buckets.size <= max_keys) break;
          buckets.delete(oldest);
        }
        return bucket;
      };
      const passes = (message: Message): boolean => {
        if (message.severity >= severe) return true;
        const nowMs = scheduler.now();
        const value = keyOf(message);
        const key = typeof value === 'object' ? JSON.stringify(value) : value;
        const bucket = buckets.get(key) ?? fresh(key, nowMs);
        // Not below zero, should the clock be set back.
        const elapsedMs = Math.max(0, nowMs - bucket.filledMs);
        bucket.tokens = Math.min(burst, bucket.tokens + (elapsedMs * rate) / 1000);
        bucket.filledMs = nowMs;
        if (bucket.tokens < 1) return false;
        bucket.tokens--;
        return true;
      };
      return message$.pipe(filter(passes));
    });

rateLimit.options = options;
export default rateLimit;
