import { Partly, Permanent, Throttled } from '../../deliver/sink.ts';
import type { Message } from '../../message.ts';
import type { Call } from './calls.ts';
import type { Refused } from './events.ts';
import { logsFailureOf } from './failure.ts';

/**
 * Calls of one send at the same time. CloudWatch Logs shows events by their time, whichever call arrives first; only
 * events of one millisecond in different calls may change places.
 */
const PARALLEL_CALLS = 4;
/** No call of a send begins later than this after its first: over a slow line the send ends well before its time is up. */
const BEGIN_WITHIN_MS = 5000;

/**
 * Sends calls with `put`, several at a time, and resolves if all `messages` were accepted; else rejects as a sink does.
 * `refused` is added to by `calls`, which is run to its end, and by what `put` resolves with. After a failure that is
 * no message's fault no further call begins, and those on their way are waited for.
 */
export async function sendCalls(
  messages: readonly Message[],
  calls: Iterable<Call>,
  refused: Refused,
  put: (call: Call) => Promise<ReadonlyMap<Message, string>>,
  now: () => number,
): Promise<void> {
  const unsent = new Set<Message>();
  const failures: Error[] = [];
  const startedMs = now();

  const mayBegin = () =>
    failures.every((failure) => failure instanceof Permanent) && now() - startedMs < BEGIN_WITHIN_MS;
  const send = async (call: Call) => {
    try {
      for (const [message, reason] of await put(call)) refused.set(message, reason);
    } catch (error) {
      keep(call);
      failures.push(logsFailureOf(error));
    }
  };
  const keep = (call: Call) => {
    for (const { message } of call) unsent.add(message);
  };
  const iterator = calls[Symbol.iterator]();
  const work = async () => {
    for (let next = iterator.next(); next.done !== true; next = iterator.next()) {
      if (mayBegin()) await send(next.value);
      else keep(next.value);
    }
  };

  await Promise.all(Array.from({ length: PARALLEL_CALLS }, work));
  if (refused.size === 0 && unsent.size === 0) return;
  const cause = causeOf(failures);
  if (cause !== undefined && unsent.size === messages.length) throw cause;
  const text = `${refused.size} messages refused, ${unsent.size} not sent`;
  throw new Partly(cause === undefined ? text : `${text}: ${cause.message}`, { refused, unsent, cause });
}

/** What the lane heeds first; a poison message is found once nothing else is wrong. */
function causeOf(failures: readonly Error[]): Error | undefined {
  return (
    failures.find((failure) => failure instanceof Throttled) ??
    failures.find((failure) => !(failure instanceof Permanent)) ??
    failures[0]
  );
}
