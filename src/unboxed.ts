/**
 * What fields of large numbers are given once, before all others. V8 gives such a number a box of its own in each object
 * whose field never had anything else; one that had is given the number's first box. Messages wait by the hundred
 * thousand, and the collector copies and marks each piece of them.
 */
export const UNBOXED = undefined as never;
