import { errorText } from '../retry.ts';
import type { SpoolState } from './state.ts';

const RETRY_MS = 1000;
/** A disk that is at one thing for so long hangs, as an NFS mount does whose server is gone. */
const HANG_MS = 10_000;

/** The disk is given something to do. */
export const begins = ({ hangAlarm }: SpoolState): void => hangAlarm.set(HANG_MS);

/** Something is on disk. */
export function worked(state: SpoolState): void {
  if (state.failing || state.hanging)
    state.context.log.info({ spool: state.dir }, 'The spool is written again');
  state.failing = false;
  state.hanging = false;
  begins(state);
  state.events.changed();
}

/** The disk refuses; it is tried again. */
export function failed(state: SpoolState, error: unknown): void {
  if (!state.failing) {
    const text = errorText(error);
    state.context.log.error({ spool: state.dir, error: text }, 'The spool cannot be used; trying again');
  }
  state.failing = true;
  state.hanging = false;
  state.retryAlarm.set(RETRY_MS);
  state.events.changed();
}

/** Nothing can be given up that is being written: once the queue is full the clients wait. */
export function hangs(state: SpoolState): void {
  state.hanging = true;
  state.context.log.error(
    { spool: state.dir, pending_bytes: state.pendingBytes },
    'The disk of the spool does not answer; once the queue is full, clients wait for it',
  );
}
