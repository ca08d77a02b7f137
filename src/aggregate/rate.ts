/**
 * What a window's values make a second: their sum, or of a counter its growth since `before`, the last value of the
 * window before it. A counter that fell began anew.
 */
export function rateOf(
  kind: string,
  { sum, last }: { readonly sum: number; readonly last: number },
  before: number | undefined,
  windowMs: number,
): number {
  if (kind !== 'counter') return (sum * 1000) / windowMs;
  if (before === undefined) return 0;
  return ((last >= before ? last - before : last) * 1000) / windowMs;
}
