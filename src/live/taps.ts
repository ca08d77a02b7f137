import type { Observable } from 'rxjs';
import type { Journal, Step } from '../context.ts';
import { broadcastState } from '../flow/broadcast.ts';
import type { Message, Messages } from '../message.ts';
import type { Tail } from './tail.ts';
import type { Place } from './view.ts';

/** Where live views listen to the flow. While nobody does, it costs one comparison a batch. */
export interface Taps {
  /** What is called with each message that comes in; `undefined`: nothing. */
  readonly ingest$: Observable<((message: Message) => void) | undefined>;
  /** A journal that tells the tails of rules and endings, too. */
  journal(journal: Journal): Journal;
  /** Lets a tail listen; returns what ends that. */
  listen(at: Place, tail: Tail): () => void;
}

/** Nobody listens yet. */
export function createTaps(): Taps {
  const ingest = broadcastState<((message: Message) => void) | undefined>(undefined);
  let incoming: readonly Tail[] = [];
  let routed: readonly Tail[] = [];
  let ended: readonly Tail[] = [];
  let noting = false;

  const update = () => {
    const [only] = incoming;
    noting = routed.length > 0 || ended.length > 0;
    if (incoming.length < 2) return ingest.set(only?.take);
    const all = incoming;
    ingest.set((message) => {
      for (const tail of all) tail.take(message);
    });
  };

  const note = (step: Step, messages: Messages) => {
    if (step.kind === 'matched' && routed.length > 0) {
      const { backend, rule } = step;
      for (const tail of routed) for (const message of messages) tail.take(message, { backend, rule });
    } else if (step.kind === 'ended' && ended.length > 0) {
      const { backend, ending: outcome, reason } = step;
      for (const tail of ended)
        for (const message of messages) tail.take(message, { backend, outcome, reason });
    }
  };

  return {
    ingest$: ingest.value$,
    journal: (journal) => ({
      note: (step, messages) => {
        if (noting) note(step, messages);
        journal.note(step, messages);
      },
      batching: journal.batching,
    }),
    listen(at, tail) {
      if (at === 'ingest') incoming = [...incoming, tail];
      else if (at === 'route') routed = [...routed, tail];
      else ended = [...ended, tail];
      update();
      return () => {
        incoming = incoming.filter((one) => one !== tail);
        routed = routed.filter((one) => one !== tail);
        ended = ended.filter((one) => one !== tail);
        update();
      };
    },
  };
}
