import type { LogEvent } from './events.ts';
import { LIMITS } from './limits.ts';

/** The events of one call, in order of time. Never empty. */
export type Call = readonly LogEvent[];

/** Divides events in order of time into calls within the limits, each as full as its next event lets it be. */
export function* callsOf(events: Iterable<LogEvent>): Generator<Call, void, undefined> {
  let call: LogEvent[] = [];
  let bytes = 0;
  let startMs = 0;
  for (const event of events) {
    const isFull =
      call.length === LIMITS.callEvents ||
      bytes + event.bytes > LIMITS.callBytes ||
      event.timestamp - startMs >= LIMITS.spanMs;
    if (call.length > 0 && isFull) {
      yield call;
      call = [];
    }
    if (call.length === 0) {
      bytes = 0;
      startMs = event.timestamp;
    }
    call.push(event);
    bytes += event.bytes;
  }
  if (call.length > 0) yield call;
}
