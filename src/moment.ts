import { parseDuration } from './config/units.ts';
import { FIRST_MS, parseRfc3339 } from './ingest/timestamp.ts';

/** What people may write for a point in time. */
export const MOMENTS = 'write 30m, 2h, 1d, or 2025-10-20T10:30:00Z';

/** Epoch milliseconds of an RFC 3339 time, or of a duration before `nowMs`; `undefined` where the text is neither. */
export function parseMoment(text: string, nowMs: number): number | undefined {
  const agoMs = parseDuration(text);
  const ms = agoMs === undefined ? parseRfc3339(text)?.ms : nowMs - agoMs;
  return ms === undefined || ms < FIRST_MS ? undefined : ms;
}
