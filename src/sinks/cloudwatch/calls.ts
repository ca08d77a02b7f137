import type { LogEvent } from './events.ts';
import { LIMITS } from './limits.ts';

/** The events of one call, in order of time. Never empty. */
export type Call = readonly LogEvent[];

/** Divides events into calls within the limits, each as full as its next event lets it be. Equal times keep their order. */
export function callsOf(events: readonly LogEvent[]): Call[] {
  const calls: LogEvent[][] = [];
  let call: LogEvent[] = [];
  let bytes = 0;
  let startMs = 0;
  for (const event of inOrder(events)) {
    const isFull =
      call.length === LIMITS.callEvents ||
      bytes + event.bytes > LIMITS.callBytes ||
      event.timestamp - startMs >= LIMITS.spanMs;
    if (call.length === 0 || isFull) {
      call = [];
      calls.push(call);
      bytes = 0;
      startMs = event.timestamp;
    }
    call.push(event);
    bytes += event.bytes;
  }
  return calls;
}

function inOrder(events: readonly LogEvent[]): readonly LogEvent[] {
  const isInOrder = events.every((event, at) => event.timestamp >= (events[at - 1] ?? event).timestamp);
  return isInOrder ? events : events.toSorted((a, b) => a.timestamp - b.timestamp);
}
