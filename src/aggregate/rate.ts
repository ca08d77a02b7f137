/** What a counter stood at last, and when. */
export interface Reading {
  readonly last: number;
  /** The end of the window that `last` is of, epoch milliseconds; of a coarse window, that of the fine one in it. */
  readonly endMs: number;
}

/**
 * What a window's values make a second: their sum, or of a counter its growth since `before`, the last value of the
 * window before it, by the time from the end of that window to the end of its own. A counter that fell began anew.
 * Windows that do not end after the one before, as may be where their length was changed, count with their length.
 */
export function rateOf(
  kind: string,
  { sum, last, endMs }: Reading & { readonly sum: number },
  before: Reading | undefined,
  windowMs: number,
): number {
  if (kind !== 'counter') return (sum * 1000) / windowMs;
  if (before === undefined) return 0;
  const growth = last >= before.last ? last - before.last : last;
  return (growth * 1000) / (endMs > before.endMs ? endMs - before.endMs : windowMs);
}
