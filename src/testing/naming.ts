import type { TraceStore } from '../correlate/store.ts';
import type { Messages } from '../message.ts';
import { MADE } from './names.ts';

/** Which message is which, whatever becomes of it on its way. */
export interface Naming {
  /** What is read from now on has this name. */
  set(name: string): void;
  current(): string;
  /** Names messages as they arrive at the store: the first place that they reach with an id, which copies keep. */
  watch(traces: TraceStore): void;
  of(messages: Messages): readonly string[];
}

export function createNaming(): Naming {
  const names = new Map<string, string>();
  let name = MADE;
  return {
    set: (next) => {
      name = next;
    },
    current: () => name,
    watch: (traces) => {
      const { add } = traces;
      // A mark in the message itself would be seen by filters and operators.
      traces.add = (message) => {
        names.set(message.id, name);
        add(message);
      };
    },
    of: (messages) => messages.map(({ id }) => names.get(id) ?? MADE),
  };
}
