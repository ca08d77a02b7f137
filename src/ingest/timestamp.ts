import type { Json } from '../message.ts';

/** A timestamp understood: epoch ms, and microseconds where the sender was finer than ms. */
export interface Instant {
  readonly ms: number;
  /** Epoch microseconds, or `undefined` where milliseconds say it all. */
  readonly us: number | undefined;
}

const CANONICAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d\.\d{3}Z$/;

/** Length of the canonical form. */
export const CANONICAL_LENGTH = 24;

/** Epoch ms of `YYYY-MM-DDTHH:MM:SS.mmmZ`, the canonical form; NaN for anything else. */
export function canonicalMs(text: string): number {
  return CANONICAL.test(text) ? (parseRfc3339(text)?.ms ?? Number.NaN) : Number.NaN;
}

const RFC3339 =
  /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** RFC 3339, 0–9 fraction digits, any offset, leap seconds rolled over; `undefined` if it is no time of the years 0000–9999. */
export function parseRfc3339(text: string): Instant | undefined {
  const found = RFC3339.exec(text);
  if (found === null) return undefined;
  const field = (at: number) => Number(found[at] ?? 0);
  const [year, month, day, hour, min, sec] = [field(1), field(2), field(3), field(4), field(5), field(6)];
  const inRange = month >= 1 && month <= 12 && day >= 1 && hour <= 23 && min <= 59 && sec <= 60;
  if (!inRange || day > daysIn(year, month) || field(9) > 23 || field(10) > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, min, sec);
  const offsetMs = (found[8] === '-' ? -60_000 : 60_000) * (field(9) * 60 + field(10));
  const fraction = (found[7] ?? '').padEnd(9, '0');
  const ms = date.getTime() - offsetMs + Number(fraction.slice(0, 3));
  if (ms < FIRST_MS || ms > LAST_MS) return undefined;
  const micros = Number(fraction.slice(3, 6));
  return { ms, us: micros === 0 ? undefined : ms * 1000 + micros };
}

/** The years 0000 to 9999: what the canonical form can say. */
export const FIRST_MS = Date.parse('0000-01-01T00:00:00.000Z');
const LAST_MS = Date.parse('9999-12-31T23:59:59.999Z');

const daysIn = (year: number, month: number) =>
  new Date(Date.UTC(2000 + (year % 400), month, 0)).getUTCDate();

/** Below each bound a number is that unit: seconds until the year 5138, then ms, µs, ns. */
const UNITS = [
  { below: 1e11, perMs: 1e-3 },
  { below: 1e14, perMs: 1 },
  { below: 1e17, perMs: 1e3 },
  { below: 1e20, perMs: 1e6 },
];

/** Epoch seconds, ms, µs or ns, told apart by size. */
export function parseEpoch(value: number): Instant | undefined {
  const unit = value > 0 ? UNITS.find(({ below }) => value < below) : undefined;
  if (unit === undefined) return undefined;
  const us = Math.round((value / unit.perMs) * 1000);
  const ms = Math.floor(us / 1000);
  return { ms, us: us % 1000 === 0 ? undefined : us };
}

/** Any form of timestamp that the protocol names; `undefined` where it is missing or unusable. */
export function parseTimestamp(value: Json | undefined): Instant | undefined {
  if (typeof value === 'string') return parseRfc3339(value);
  return typeof value === 'number' ? parseEpoch(value) : undefined;
}
