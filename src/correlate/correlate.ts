import { map, type MonoTypeOperatorFunction, type Observable, of } from 'rxjs';
import { mapWith } from '../flow/map-with.ts';
import type { Message } from '../message.ts';
import type { TraceStore } from './store.ts';

/**
 * Links messages by job and trace: one with a job id and no trace id gets the job's trace, and the reverse; files
 * each in the store, then shows it to the latest `watch$`. The next stage after the one that builds messages: it completes them.
 */
export const correlate = (store: TraceStore, watch$: Observable<Watch | undefined> = of(undefined)): MonoTypeOperatorFunction<Message> =>
  mapWith(watch$.pipe(map((watch) => (watch === undefined ? filing(store) : filingAndShowing(store, watch)))));

/** Is shown each message, complete. */
export type Watch = (message: Message) => void;

const filing = (store: TraceStore) => (message: Message) => {
  store.add(message);
  return message;
};

const filingAndShowing = (store: TraceStore, watch: Watch) => (message: Message) => {
  store.add(message);
  watch(message);
  return message;
};
