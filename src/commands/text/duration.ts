/** `2.3s`, `30ms`, `2m 05s`, `1h 02m`. */
export function duration(ms: number): string {
  if (ms > 0 && ms < 50) return `${Math.ceil(ms)}ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes}m ${twoDigits(seconds % 60)}s`;
  return `${Math.floor(minutes / 60)}h ${twoDigits(minutes % 60)}m`;
}

const twoDigits = (count: number) => String(count).padStart(2, '0');
