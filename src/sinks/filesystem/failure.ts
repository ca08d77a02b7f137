import { Permanent } from '../../deliver/sink.ts';

/** The name can never be written; everything else (full, stale, read-only, forbidden, busy) may pass. */
const PERMANENT: ReadonlySet<string> = new Set([
  'EISDIR',
  'ENOTDIR',
  'ENAMETOOLONG',
  'ELOOP',
  'ENXIO',
  'EILSEQ',
]);

/** The system's code of an error, e.g. `ENOENT`; `''` where it has none. */
export function codeOf(error: unknown): string {
  const code = (error as NodeJS.ErrnoException | undefined)?.code;
  return typeof code === 'string' ? code : '';
}

/** `error` as the lane wants it: `Permanent` or not, and naming the file. */
export function failure(error: unknown, path: string): Error {
  if (error instanceof Permanent) return error;
  const message = error instanceof Error ? error.message : String(error);
  const text = message.includes(path) ? message : `${message} '${path}'`;
  return PERMANENT.has(codeOf(error))
    ? new Permanent(text, { cause: error, scope: 'batch' })
    : new Error(text, { cause: error });
}

/** For `catch`: `undefined` for an error of one of these codes; any other is thrown on. */
export const unless =
  (...codes: readonly string[]) =>
  (error: unknown): undefined => {
    if (!codes.includes(codeOf(error))) throw error;
    return undefined;
  };
