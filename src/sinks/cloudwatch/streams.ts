import type { SinkContext, Target } from '../../deliver/sink.ts';
import { type Place, targetOf } from './place.ts';

/** A stream without messages for so long makes room for another. */
const IDLE_MS = 24 * 3_600_000;
/** Streams are not looked through more often than this. */
const REVIEW_MS = 60_000;

interface Known {
  readonly target: Target;
  seenMs: number;
}

/**
 * Targets of at most `maxStreams` streams in use, so that values from the wire cannot make any number of them; what is
 * beyond goes to `overflow`. States: room → full (logged once; each new stream overflows) → room, once streams are idle
 * for a day.
 */
export function streamsUpTo(
  maxStreams: number,
  { scheduler, log, backend }: Pick<SinkContext, 'scheduler' | 'log' | 'backend'>,
): (place: Place, overflow: () => Place) => Target {
  const known = new Map<string, Known>();
  let isFull = false;
  let reviewedMs = Number.NEGATIVE_INFINITY;

  const hasRoom = (nowMs: number) => {
    if (known.size < maxStreams) return true;
    if (nowMs - reviewedMs < REVIEW_MS) return false;
    reviewedMs = nowMs;
    for (const [key, { seenMs }] of known) if (nowMs - seenMs >= IDLE_MS) known.delete(key);
    return known.size < maxStreams;
  };

  return (place, overflow) => {
    const nowMs = scheduler.now();
    const target = targetOf(place);
    const found = known.get(target.key);
    if (found !== undefined) {
      found.seenMs = nowMs;
      return found.target;
    }
    if (hasRoom(nowMs)) {
      isFull = false;
      known.set(target.key, { target, seenMs: nowMs });
      return target;
    }
    const instead = targetOf(overflow());
    if (!isFull) {
      const fields = { backend, max_streams: maxStreams, target: instead.key, instead_of: target.key };
      log.warn(fields, 'More log streams than `max_streams`: new ones share one stream');
    }
    isFull = true;
    return instead;
  };
}
