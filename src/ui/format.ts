/** `30 ms`, `2.3 s`, `2 m 05 s`, `1 h 02 m`. */
export function duration(ms: number): string {
  if (ms < 50) return `${ms > 0 ? Math.max(1, Math.round(ms)) : 0} ms`;
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1000);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} m ${twoDigits(seconds % 60)} s`;
  return `${Math.floor(minutes / 60)} h ${twoDigits(minutes % 60)} m`;
}

const twoDigits = (count: number) => String(count).padStart(2, '0');

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

/** `0 B`, `1.5 MiB`. */
export function size(bytes: number): string {
  const at = bytes < 1024 ? 0 : Math.min(UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** at;
  return `${at === 0 ? value : value.toFixed(1)} ${UNITS[at]}`;
}

/** A number with separators of thousands, at most one digit after the point. */
export const count = (value: number): string => value.toLocaleString('en', { maximumFractionDigits: 1 });

/** The time of day of an RFC 3339 time in UTC, with milliseconds. */
export const clock = (time: string): string => time.slice(11, 23);

/** The same, but for what was not today: its day, and the time to the second. */
export const moment = (time: string): string =>
  time.slice(0, 10) === new Date().toISOString().slice(0, 10)
    ? clock(time)
    : `${time.slice(0, 10)} ${time.slice(11, 19)}`;

/** `1 error`, `2 errors`. */
export const counted = (value: number, noun: string): string =>
  `${count(value)} ${noun}${value === 1 ? '' : 's'}`;

/** A number as it is measured: all of its integer part, and at least four digits. */
export const figure = (value: number): string =>
  Math.abs(value) >= 1000 ? count(value) : value.toLocaleString('en', { maximumSignificantDigits: 4 });

const HUES = 8;
const taken = new Map<number, string>();

/**
 * One of eight colours, the same for a service as long as the page is open. Up to eight services have one of their own
 * each.
 */
export function hueOf(service: string): number {
  let hash = 0;
  for (let at = 0; at < service.length; at++) hash = (hash * 31 + service.charCodeAt(at)) | 0;
  const first = Math.abs(hash) % HUES;
  for (let step = 0; step < HUES; step++) {
    const hue = (first + step) % HUES;
    const owner = taken.get(hue);
    if (owner === undefined) taken.set(hue, service);
    if (owner === undefined || owner === service) return hue;
  }
  return first;
}

/** Colours of the lines of one chart: the first of a service has that of the service, its others what is free. */
export function huesOf(services: readonly string[]): readonly number[] {
  const used = new Set(services.map(hueOf));
  const seen = new Set<string>();
  return services.map((service) => {
    let hue = hueOf(service);
    if (seen.has(service)) for (let step = 0; step < HUES && used.has(hue); step++) hue = (hue + 1) % HUES;
    seen.add(service);
    used.add(hue);
    return hue;
  });
}
