import type { Journal } from '../context.ts';
import type { Outcome } from '../deliver/outcome.ts';
import type { Message } from '../message.ts';

/** Notes how messages ended; apart, where something else went wrong with each. */
export function noteEnding(journal: Journal | undefined, outcome: Outcome): void {
  const { backend, ending, reason, messages, errors } = outcome;
  if (errors === undefined) {
    journal?.note({ kind: 'ended', backend, ending, reason }, messages);
    return;
  }
  const byError = new Map<string | undefined, Message[]>();
  let at = 0;
  for (const message of messages) {
    const error = errors[at++];
    const same = byError.get(error) ?? [];
    byError.set(error, same);
    same.push(message);
  }
  for (const [error, of] of byError) journal?.note({ kind: 'ended', backend, ending, reason, error }, of);
}
