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

/** Adds a value at the end. */
export function append<T>(chain: Chain<T>, value: T): Link<T> {
  const link: Link<T> = { value, before: chain.last, after: undefined };
  if (chain.last === undefined) chain.first = link;
  else chain.last.after = link;
  chain.last = link;
  return link;
}

/** Adds a value at the front. */
export function prepend<T>(chain: Chain<T>, value: T): Link<T> {
  const link: Link<T> = { value, before: undefined, after: chain.first };
  if (chain.first === undefined) chain.last = link;
  else chain.first.before = link;
  chain.first = link;
  return link;
}

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
