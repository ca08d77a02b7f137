// How many messages of a second are remembered one by one, by the journal and by correlation: those that come first, so
// that both remember the same ones, in one copy.

/** Messages of a second that are remembered. More would be replaced within seconds, and cost more to collect than all else. */
export const KEPT_PER_SECOND = 2_000;
/** More messages in a second are a flood. */
export const FLOOD_PER_SECOND = 10_000;
/** Messages that are remembered of a second that follows a flood: what is kept for longer tells more. */
export const KEPT_IN_FLOOD = 500;
