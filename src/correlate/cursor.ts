import type { Story } from './story.ts';

/** A job's place in the list of those in memory: when it was active last, and its id. */
export type JobPlace = Pick<Story, 'lastMs' | 'id'>;

/** Where a page of jobs begins. */
export type JobCursor =
  | { readonly from: 'memory'; readonly after: JobPlace }
  /** Of a page that the database began; `undefined`: its first. */
  | { readonly from: 'postgres'; readonly after: string | undefined };

const STORED =
  /^postgres:(first|(\d{4,6}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)\/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/;

/**
 * The order of the list: the most recently active first. A job that is heard of only ever moves to its front, so that
 * what comes after a place has no job that came before it.
 */
export const isBefore = (a: JobPlace, b: JobPlace): boolean =>
  a.lastMs > b.lastMs || (a.lastMs === b.lastMs && a.id > b.id);

/** The cursor of the page after this job. */
export const cursorAfter = ({ lastMs, id }: JobPlace): string =>
  Buffer.from(JSON.stringify([lastMs, id])).toString('base64url');

/** The cursor of a page that the database begins, at its `next`; its first page if there is none. */
export const storedCursor = (next = 'first'): string => `postgres:${next}`;

/** A cursor, as it was given; `undefined` if it is none. */
export function readCursor(text: string): JobCursor | undefined {
  const [, place, time] = STORED.exec(text) ?? [];
  if (place === 'first') return { from: 'postgres', after: undefined };
  if (time !== undefined) return isTime(time) ? { from: 'postgres', after: place } : undefined;
  const after = placeOf(Buffer.from(text, 'base64url').toString());
  return after === undefined ? undefined : { from: 'memory', after };
}

/** Whether a database can have such a time: one without a 30 February or a year 0. */
function isTime(text: string): boolean {
  const toMs = `${text.slice(0, -4)}Z`;
  const iso = toMs.length > 24 ? `+${toMs.padStart(26, '0')}` : toMs;
  return new Date(iso).toJSON() === iso && !iso.startsWith('0000');
}

function placeOf(json: string): JobPlace | undefined {
  try {
    const [lastMs, id] = JSON.parse(json) as readonly unknown[];
    return typeof lastMs === 'number' && typeof id === 'string' ? { lastMs, id } : undefined;
  } catch {
    return undefined;
  }
}
