import type { TraceStore } from '../correlate/store.ts';
import type { Message } from '../message.ts';
import { MADE } from './names.ts';

/** Which message is which, whatever becomes of it on its way. */
export interface Naming {
  /** What is read from now on has this name. */
  set(name: string): void;
  current(): string;
  of(messages: readonly Message[]): readonly string[];
}

/** Names messages by their ids, which copies keep; the trace store is where a message first arrives with one. */
export function nameIn(traces: TraceStore): Naming {
  const names = new Map<string, string>();
  let name = MADE;
  const { add } = traces;
  // A mark in the message itself would be seen by filters and operators.
  traces.add = (message) => {
    names.set(message.id, name);
    add(message);
  };
  return {
    set: (next) => {
      name = next;
    },
    current: () => name,
    of: (messages) => messages.map(({ id }) => names.get(id) ?? MADE),
  };
}
