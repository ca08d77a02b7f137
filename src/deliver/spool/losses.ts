import type { LossReason, SpoolState } from './state.ts';

/** A spool at its bound gives up a segment many times a second. */
const SAY_EVERY_MS = 5000;

/** Tells that messages were given up: its user at once, the log every few seconds. */
export function tellLost(state: SpoolState, reason: LossReason, messages: number): void {
  state.unsaid.set(reason, (state.unsaid.get(reason) ?? 0) + messages);
  if (!state.lossAlarm.isSet()) sayLost(state);
  state.events.lost(reason, messages);
}

/** Logs what was given up since the last time. */
export function sayLost({ unsaid, lossAlarm, dir, context }: SpoolState): void {
  if (unsaid.size === 0) return;
  for (const [reason, messages] of unsaid) {
    context.log.warn({ spool: dir, reason, messages }, 'Messages of the spool are given up');
  }
  unsaid.clear();
  lossAlarm.set(SAY_EVERY_MS);
}
