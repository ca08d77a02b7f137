/** A value's place in a chain; whoever keeps it takes the value out in O(1). */
export interface Link<T> {
  readonly value: T;
  before: Link<T> | undefined;
  after: Link<T> | undefined;
}

/** A doubly linked list: holds nothing of what was taken out, unlike an array or a `Set` with holes. */
export interface Chain<T> {
  first: Link<T> | undefined;
  last: Link<T> | undefined;
}

export const createChain = <T>(): Chain<T> => ({ first: undefined, last: undefined });

/** Adds a value before a link of this very chain; `undefined`: at the end. */
export function insert<T>(chain: Chain<T>, after: Link<T> | undefined, value: T): Link<T> {
  const before = after === undefined ? chain.last : after.before;
  const link: Link<T> = { value, before, after };
  if (before === undefined) chain.first = link;
  else before.after = link;
  if (after === undefined) chain.last = link;
  else after.before = link;
  return link;
}

/** Adds a value at the end. */
export const append = <T>(chain: Chain<T>, value: T): Link<T> => insert(chain, undefined, value);

/** Adds a value at the front. */
export const prepend = <T>(chain: Chain<T>, value: T): Link<T> => insert(chain, chain.first, value);

/** Takes out a link of this very chain, once. */
export function unlink<T>(chain: Chain<T>, link: Link<T>): void {
  if (link.before === undefined) chain.first = link.after;
  else link.before.after = link.after;
  if (link.after === undefined) chain.last = link.before;
  else link.after.before = link.before;
  // A dead link that is old must not keep younger ones alive until the next full collection.
  link.before = undefined;
  link.after = undefined;
}
