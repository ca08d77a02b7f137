/**
 * The numbers of the members of `data` of the record that was scanned last, in order, and a hash (64 bits, in two
 * halves) of all that tells which series they are of: source, type, keys, and the texts of `name`, `unit`, `kind`, `per`
 * and tags. There is one, so that nothing is made a message: they are a message's while its `ticket` is theirs.
 */
export const numbers = {
  ticket: 0,
  hash: 0,
  check: 0,
  values: new Float64Array(0),
  count: 0,
};

/** The ticket of messages whose numbers nobody read. */
export const NO_TICKET = 0;
const LAST_TICKET = 2 ** 30;

/** Says that they are another message's now; whose ticket that is. */
export function nextTicket(): number {
  numbers.ticket = numbers.ticket === LAST_TICKET ? 1 : numbers.ticket + 1;
  return numbers.ticket;
}
