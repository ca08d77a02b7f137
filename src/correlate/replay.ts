import type { SchedulerLike } from 'rxjs';
import type { Message } from '../message.ts';
import type { AbsentSince } from './state.ts';
import { createTraceStore } from './store.ts';
import { createTraces } from './traces.ts';
import type { StorySummary, Traces } from './view.ts';

const UNBOUNDED = {
  maxTraces: Number.POSITIVE_INFINITY,
  maxMessages: Number.POSITIVE_INFINITY,
  maxMessagesPerTrace: Number.POSITIVE_INFINITY,
  maxBytes: Number.POSITIVE_INFINITY,
};
const ALL = { kept: Number.POSITIVE_INFINITY, folded: Number.POSITIVE_INFINITY };

/** Views of messages that were kept elsewhere, by the same code as those of the live ones; each counts once. */
export function replay(
  messages: readonly Message[],
  { now }: Pick<SchedulerLike, 'now'>,
  absentSince: AbsentSince,
): Traces {
  const store = createTraceStore(UNBOUNDED, ALL);
  const once = new Map(messages.map((message) => [message.id, message]));
  const inOrder = [...once.values()].sort((a, b) => a.receivedMs - b.receivedMs);
  // A copy each: the store names jobs in messages, and these may be another store's.
  for (const message of inOrder) store.add({ ...message });
  return createTraces(store, { now }, absentSince);
}

/** A view that says what of its older messages was not read. */
export const withLeftOff = <View extends StorySummary>(view: View, leftOff: number): View =>
  leftOff === 0 ? view : { ...view, messages: view.messages + leftOff, truncated: true, left_off: leftOff };
