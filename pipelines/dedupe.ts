/**
 * dedupe: drops messages that repeat one already passed within a window.
 *
 * Messages are the same if all fields of `by` are. The window starts when the one that passed was received and is not
 * prolonged by the ones dropped, so that a lasting fault is reported once a window.
 *
 *   by           dotted paths that tell messages apart. Default: [source, type, data]
 *   types        types of message to look at; others pass. Default: [event]
 *   window       a duration. Default: 10s
 *   max_keys     how many different messages are remembered; past it the oldest is forgotten, and passes again.
 *                Default: 100000 (25 to 30 MB)
 *   count_field  a field of `data`: the next message that passes says there how many were dropped before it.
 *                Default: none
 *
 *   operators:
 *     - use: dedupe
 *       by: [source, data.level, data.message]
 *       window: 1m
 *       count_field: repeated
 */
import { createHash } from 'node:crypto';
import {
  createKeyedQueue,
  dataOf,
  duration,
  field,
  type Message,
  type Operator,
  withData,
} from 'monitoring-sidecar';
import { defer, filter, map } from 'rxjs';
import { z } from 'zod';

const path = z.string().min(1).max(256);

const options = z.strictObject({
  by: z.array(path).min(1).default(['source', 'type', 'data']),
  types: z.array(z.string().min(1)).min(1).default(['event']),
  window: duration().prefault('10s'),
  max_keys: z.int().min(1).max(10_000_000).default(100_000),
  count_field: z.string().min(1).optional(),
});

interface Passed {
  readonly atMs: number;
  dropped: number;
}

/** Longer keys are kept as their hash. */
const MAX_KEY_LENGTH = 64;

const dedupe: Operator<z.output<typeof options>> =
  ({ by, types, window, max_keys, count_field }, { scheduler }) =>
  (message$) =>
    defer(() => {
      const keyOf = compileKey(by);
      /** In order of passing, which is that of expiry but for the few seconds by which batches differ. */
      const passed = createKeyedQueue<string, Passed>();
      // What was dropped is told when its key comes again, however late.
      const lifetimeMs = count_field === undefined ? window : Number.POSITIVE_INFINITY;

      // A time in the future is one from before the clock was set back: nothing is known of its age.
      const isWithin = (atMs: number, receivedMs: number, periodMs: number) =>
        atMs <= scheduler.now() && receivedMs - atMs < periodMs;
      const forget = (receivedMs: number) => {
        for (const [key, { atMs }] of passed) {
          if (passed.size <= max_keys && isWithin(atMs, receivedMs, lifetimeMs)) return;
          passed.delete(key);
        }
      };
      const pass = (message: Message): Message | undefined => {
        if (!types.includes(message.type)) return message;
        // Not by our clock: the messages of a batch come at once.
        const { receivedMs } = message;
        const key = keyOf(message);
        const last = passed.get(key);
        if (last !== undefined && isWithin(last.atMs, receivedMs, window)) {
          last.dropped++;
          return undefined;
        }
        passed.set(key, { atMs: receivedMs, dropped: 0 });
        forget(receivedMs);
        if (count_field === undefined || last === undefined || last.dropped === 0) return message;
        return withData(message, { ...dataOf(message), [count_field]: last.dropped });
      };
      return message$.pipe(
        map(pass),
        filter((message) => message !== undefined),
      );
    });

dedupe.options = options;
export default dedupe;

function compileKey(paths: readonly string[]): (message: Message) => string {
  const fields = paths.map(field);
  return (message) => {
    const key = JSON.stringify(fields.map((read) => read(message)));
    return key.length <= MAX_KEY_LENGTH ? key : createHash('sha256').update(key).digest('base64');
  };
}
