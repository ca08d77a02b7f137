import { basename } from 'node:path';
import { z } from 'zod';
import { fileNameOf } from '../../deliver/file-name.ts';
import { letterFiles } from '../../deliver/letter-files.ts';
import { members } from '../../members.ts';
import { glob } from '../../route/filter.ts';

/** A dead letter as its line has it. */
export interface FoundLetter {
  readonly deadAt: string;
  readonly backend: string;
  readonly reason: string;
  readonly error: string;
  readonly attempts: number;
  readonly target: string;
  /** The record's. */
  readonly id: string;
  readonly source: string;
  readonly type: string;
  /** How often it was retried before, by itself or as the letter that it came from. */
  readonly retries: number;
}

/** Which letters are meant; all given conditions must hold. */
export interface LetterFilter {
  readonly backend?: string | undefined;
  readonly reason?: string | undefined;
  /** A glob. */
  readonly source?: string | undefined;
  readonly type?: string | undefined;
  readonly ids: readonly string[];
  /** RFC 3339 in UTC, as `dead_at` is; inclusive. */
  readonly since?: string | undefined;
  /** Likewise; exclusive. */
  readonly until?: string | undefined;
}

/** The member of a record that says how often it was retried. */
export const RETRIES = 'dlq_retries';

const shape = z.looseObject({
  dead_at: z.string(),
  backend: z.string(),
  reason: z.string(),
  error: z.string(),
  attempts: z.number(),
  target: z.string(),
  record: z.looseObject({
    id: z.string(),
    source: z.string(),
    type: z.string(),
    [RETRIES]: z.number().optional().catch(undefined),
  }),
});

/** What a line says; `undefined` where it is no letter, such as one that a crash cut off. */
export function letterOf(line: string): FoundLetter | undefined {
  const { data } = shape.safeParse(parsed(line));
  if (data === undefined) return undefined;
  const { dead_at, backend, reason, error, attempts, target, record } = data;
  const { id, source, type, [RETRIES]: retries = 0 } = record;
  return { deadAt: dead_at, backend, reason, error, attempts, target, id, source, type, retries };
}

function parsed(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** The text of a letter's record, as it was delivered, digit for digit, however somebody wrote the letter anew. */
export const recordTextOf = (line: string): string =>
  members(line).findLast(({ key }) => key === 'record')?.value ?? '';

/** Compiles a filter. */
export function compileLetterFilter(filter: LetterFilter): (letter: FoundLetter) => boolean {
  const { backend, reason, source, type, ids, since, until } = filter;
  const isSource = source === undefined ? undefined : glob(source);
  const wanted = new Set(ids);
  return (letter) =>
    (backend === undefined || letter.backend === backend) &&
    (reason === undefined || letter.reason === reason) &&
    (isSource === undefined || isSource(letter.source)) &&
    (type === undefined || letter.type === type) &&
    (wanted.size === 0 || wanted.has(letter.id)) &&
    (since === undefined || letter.deadAt >= since) &&
    (until === undefined || letter.deadAt < until);
}

/** The files that may have letters of the filter. */
export const filesFor = (dir: string, { backend }: LetterFilter): readonly string[] =>
  letterFiles(dir).filter(
    (path) => backend === undefined || basename(path).startsWith(`${fileNameOf(backend)}.ndjson`),
  );
