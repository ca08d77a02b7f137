import { type MonoTypeOperatorFunction, map, type Observable, of } from 'rxjs';
import { mapWith } from '../flow/map-with.ts';
import type { Message } from '../message.ts';
import type { TraceStore } from './store.ts';

/** Is shown messages, complete. */
export type Watch = (message: Message) => void;

/** Who looks at messages on their way. */
export interface Watched {
  /** At all; `undefined` while nobody does, and then it costs nothing. */
  readonly watch$?: Observable<Watch | undefined> | undefined;
  /** At those of type `sdk`, in which SDKs tell of themselves. */
  readonly ofSdks?: Watch | undefined;
}

/**
 * Links messages by job and trace: one with a job id and no trace id gets the job's trace, and the reverse; files
 * each in the store, then shows it to whoever looks. The next stage after the one that builds messages: it completes
 * them.
 */
export const correlate = (
  store: TraceStore,
  { watch$ = of(undefined), ofSdks = () => {} }: Watched = {},
): MonoTypeOperatorFunction<Message> => {
  const file = (message: Message) => {
    store.add(message);
    if (message.type === 'sdk') ofSdks(message);
    return message;
  };
  // Two functions, so that a message that nobody looks at is not even asked about.
  const fileAndShow = (watch: Watch) => (message: Message) => {
    watch(file(message));
    return message;
  };
  return mapWith(watch$.pipe(map((watch) => (watch === undefined ? file : fileAndShow(watch)))));
};
