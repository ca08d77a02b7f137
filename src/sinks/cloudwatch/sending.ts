import { Partly, Permanent, Throttled } from '../../deliver/sink.ts';
import type { Message } from '../../message.ts';
import type { Call } from './calls.ts';
import type { Events } from './events.ts';
import { logsFailureOf } from './failure.ts';

/** Calls of one send at the same time. */
const PARALLEL_CALLS = 4;
/** No call of a send begins later than this after its first: over a slow line the send ends well before its time is up. */
const BEGIN_WITHIN_MS = 5000;

/**
 * Sends calls with `put`, several at a time, and resolves if all was accepted; else rejects as a sink does. After a
 * failure that is no message's fault no further call begins, and those on their way are waited for.
 */
export async function sendCalls(
  calls: readonly Call[],
  { refused: refusedBefore }: Pick<Events, 'refused'>,
  put: (call: Call) => Promise<ReadonlyMap<Message, string>>,
  now: () => number,
): Promise<void> {
  const refused = new Map(refusedBefore);
  const unsent = new Set<Message>();
  const failures: Error[] = [];
  const startedMs = now();
  let next = 0;

  const mayBegin = () =>
    failures.every((failure) => failure instanceof Permanent) && now() - startedMs < BEGIN_WITHIN_MS;
  const keep = (call: Call) => {
    for (const { message } of call) unsent.add(message);
  };
  const work = async () => {
    for (let call = calls[next++]; call !== undefined; call = calls[next++]) {
      if (!mayBegin()) {
        keep(call);
        continue;
      }
      try {
        for (const [message, reason] of await put(call)) refused.set(message, reason);
      } catch (error) {
        keep(call);
        failures.push(logsFailureOf(error));
      }
    }
  };

  await Promise.all(Array.from({ length: PARALLEL_CALLS }, work));
  if (refused.size === 0 && unsent.size === 0) return;
  const cause = causeOf(failures);
  if (cause !== undefined && refused.size === 0 && calls.flat().every(({ message }) => unsent.has(message)))
    throw cause;
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
