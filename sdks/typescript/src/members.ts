/** What a caller gives as the members of a record's data. */
import type { Fields } from './frames.ts';
import type { Options } from './settings.ts';
import { cleanText, type Plain, plain } from './values.ts';

const FINAL = /^(completed?|done|finished|success|succeeded|fail(ed|ure)?|error|cancell?ed|aborted)$/i;

/** A number if it reads as one; else what was given. */
function numberOf(value: unknown): Plain {
  if (typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value))) return plain(Number(value));
  return plain(value);
}

/** A value's members; one that has none is a member itself. */
export function fieldsOf(value: unknown): Fields {
  const own = plain(value);
  return typeof own === 'object' && own !== null && !Array.isArray(own) ? own : { value: own };
}

/** Those of a progress, and whether it is its job's last. */
export function progressOf(
  job: string | undefined, percent: unknown, status: unknown, more: unknown,
): { readonly core: Fields; readonly isFinal: boolean } {
  const part = numberOf(percent);
  const core = { job_id: job ?? null, percent: part, status: plain(status), ...fieldsOf(more ?? {}) };
  return { core, isFinal: (typeof part === 'number' && part >= 100) || FINAL.test(cleanText(status ?? '')) };
}

/** Those of a resource, by their names; what is null is left out. */
export function resourceOf(values: Readonly<Record<string, unknown>>): Fields {
  const entries = Object.entries(values).filter(([, value]) => value != null);
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)).map(([key, value]) => [key, numberOf(value)]));
}

/** The members, and those of `slot` apart, as `beforeSend` leaves them; undefined if it leaves the record out. */
export function edited(
  beforeSend: NonNullable<Options['beforeSend']>, type: string, core: Fields, slot: string, extra: Fields,
): [core: Fields, extra: Fields] | undefined {
  const record = beforeSend({ type, data: { ...core, [slot]: { ...extra } } });
  if (record == null) return undefined;
  const { [slot]: edits, ...rest } = record.data;
  return [Object.fromEntries(Object.entries(rest).map(([key, value]) => [key, plain(value)])), fieldsOf(edits ?? {})];
}
