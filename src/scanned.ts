/**
 * What the record that was scanned last has beside its fields. There is one, so that nothing is made a message: it is a
 * message's while its `ticket` is the message's.
 */
export const scanned = {
  ticket: 0,
  /** Where its ids are in the scan's tables: the same id is most often in the same slot. Of an absent one, any number. */
  traceSlot: 0,
  jobSlot: 0,
  /** Whether its `data.status` or `data.percent` may say that a job is over; false: they do not. */
  mayEnd: false,
  /** Whether its numbers were read. */
  isMeasured: false,
  /**
   * Its numbers: those of the members of `data`, in order, and a hash (64 bits, in two halves) of all that tells which
   * series they are of: source, type, keys, and the texts of `name`, `unit`, `kind`, `per` and tags.
   */
  hash: 0,
  check: 0,
  values: new Float64Array(0),
  count: 0,
};

/** The scan's tables of ids have so many slots, and none but that of sources has more. */
const SLOTS = 8192;
/** With arrays of this size for ids, which are new all the time, a message cost a fifth more; sources seldom are. */
export const SOURCE_SLOTS = 16_384;

/** For what is known by slot. Whole from the start: an array that is filled here and there becomes a dictionary. */
export const emptySlots = <V>(slots = SLOTS): (V | undefined)[] =>
  Array.from({ length: slots }, () => undefined);

/** The ticket of messages that were not scanned. */
export const NO_TICKET = -1;
const LAST_TICKET = 2 ** 30;

/** Says that all of it is another message's now; whose ticket that is. */
export function nextTicket(): number {
  scanned.ticket = scanned.ticket === LAST_TICKET ? 1 : scanned.ticket + 1;
  return scanned.ticket;
}
