const LEVELS: Readonly<Record<string, number>> = Object.assign(Object.create(null), {
  trace: 1,
  verbose: 1,
  debug: 2,
  info: 3,
  information: 3,
  notice: 3,
  warn: 4,
  warning: 4,
  error: 5,
  err: 5,
  fatal: 6,
  critical: 6,
  crit: 6,
  alert: 6,
  emerg: 6,
  emergency: 6,
  panic: 6,
});

/** Rank of a level or one of its aliases (any case): 1 trace … 6 fatal, 0 unknown. */
export function severityOf(level: string): number {
  return LEVELS[level] ?? LEVELS[level.toLowerCase()] ?? 0;
}
