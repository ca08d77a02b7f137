import type { Message } from '../message.ts';
import { hasText, type Matcher } from './filter.ts';
import type { LiveMessage, TailBatch, Whereabouts } from './view.ts';

/** A tail's messages since the last `flush`. */
export interface Tail {
  /** Takes a message that passes by; the hot path while somebody looks. */
  take(message: Message, where?: Whereabouts): void;
  /** What was taken; `undefined`: nothing that could be shown. To be called every `FLUSH_MS`. */
  flush(): TailBatch | undefined;
}

/** How often tails are flushed. */
export const FLUSH_MS = 100;
/** Messages that are shown a second; more are sampled. */
const SHOWN_PER_S = 500;
const SHOWN_PER_FLUSH = (SHOWN_PER_S * FLUSH_MS) / 1000;
/** Messages of a flush whose text is searched; of more, every n-th. */
const SEARCHED_PER_FLUSH = 2000;

/**
 * Shows all messages that `matcher` takes up to 500 a second, and up to 500 at once after a pause; above, every n-th,
 * where n comes from the flush before. What is not shown is neither parsed nor copied.
 */
export function createTail(
  { envelope, text }: Matcher,
  describe: (message: Message, where?: Whereabouts) => LiveMessage,
): Tail {
  /** How many may be shown until the next flush. */
  let left = SHOWN_PER_S;
  let items: LiveMessage[] = [];
  /** Messages that the envelope lets through; of those every `stride`-th is looked at. */
  let seen = 0;
  let stride = 1;
  let skip = 0;
  let lookedAt = 0;
  let matched = 0;
  /** Of earlier flushes that showed nothing. */
  let unshown = 0;

  return {
    take(message, where) {
      if (envelope !== undefined && !envelope(message)) return;
      seen++;
      if (skip-- > 0) return;
      skip = stride - 1;
      lookedAt++;
      if (text !== undefined && !hasText(message, text)) return;
      matched++;
      if (left === 0) return;
      left--;
      items.push(describe(message, where));
    },
    flush() {
      const all =
        unshown + (text === undefined || lookedAt === 0 ? seen : Math.round((matched * seen) / lookedAt));
      const messages = items;
      items = [];
      left = Math.min(left + SHOWN_PER_FLUSH, SHOWN_PER_S);
      if (text !== undefined) stride = Math.max(1, Math.ceil(seen / SEARCHED_PER_FLUSH));
      else stride = seen > left ? Math.ceil(seen / left) : 1;
      seen = 0;
      lookedAt = 0;
      matched = 0;
      skip = Math.min(skip, stride - 1);
      const shown = messages.length;
      unshown = shown === 0 ? all : 0;
      if (shown === 0) return undefined;
      if (all <= shown) return { messages };
      const per_s = Math.round((all * 1000) / FLUSH_MS);
      return { messages, sampled: { shown, seen: all, per_s, rate: shown / all } };
    },
  };
}
