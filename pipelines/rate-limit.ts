/**
 * rate-limit: lets each source send so many messages a second, and drops what is beyond.
 *
 * Each source has a bucket of `burst` tokens that fills by `rate` a second; a message takes one, and is dropped
 * if there is none. Severe events pass without one.
 *
 *   rate      messages a second; may be a fraction, such as 0.1
 *   burst     messages at once after a pause. Default: `rate`, at least 1
 *   by        the dotted path whose values (their first 256 characters) have a bucket each. Default: source
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
      /** When each bucket will be full again: one number says how many tokens are in it (GCRA, ITU-T I.371). */
      const fullMs = new Map<string, number>();

      const passes = (message: Message): boolean => {
        if (message.severity >= severe) return true;
        const nowMs = scheduler.now() - startMs;
        const key = keyOf(message);
        // No bucket is emptier than empty, should the clock be set back.
        const knownMs = Math.min(Math.max(fullMs.get(key) ?? nowMs, nowMs), nowMs + depthMs);
        const hasToken = knownMs + intervalMs <= nowMs + depthMs;
        fullMs.set(key, hasToken ? knownMs + intervalMs : knownMs);
        forgetOldest(fullMs, max_keys);
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
    return (typeof value === 'string' ? value : JSON.stringify(value ?? null)).slice(0, MAX_KEY_LENGTH);
  };
}

function forgetOldest(map: Map<string, unknown>, max: number): void {
  for (const oldest of map.keys()) {
    if (map.size <= max) return;
    map.delete(oldest);
  }
}
