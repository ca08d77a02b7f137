import { type MonoTypeOperatorFunction, tap } from 'rxjs';
import type { Message } from '../message.ts';
import type { TraceStore } from './store.ts';

/**
 * Links messages by job and trace: one with a job id and no trace id gets the job's trace, and the reverse; files
 * each in the store. The next stage after the one that builds messages: it completes them.
 */
export const correlate = (store: TraceStore): MonoTypeOperatorFunction<Message> =>
  tap((message) => store.add(message));
