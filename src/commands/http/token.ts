import { open } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { basename } from 'node:path';
import { z } from 'zod';
import { isToken, MAX_TOKEN_BYTES } from '../../token-text.ts';

/** What to do where the token was not found. */
export const NEEDS_TOKEN =
  'give it with --token or SIDECAR_TOKEN; it is in http-token in the data_dir of the sidecar, for its user only.';

const refusalShape = z.object({ token_file: z.string() });

/**
 * The token of the file that a sidecar names in its refusal; `undefined` if it names none that is one. Whoever listens
 * at the address may name any file: only a token, in a file of that name and of this user alone, is told.
 */
export async function readToken(refusal: unknown): Promise<string | undefined> {
  const { data } = refusalShape.safeParse(refusal);
  if (data === undefined || basename(data.token_file) !== 'http-token') return undefined;
  try {
    const file = await open(data.token_file, 'r');
    try {
      const { uid, mode, size } = await file.stat();
      if (uid !== userInfo().uid || (mode & 0o077) !== 0 || size > MAX_TOKEN_BYTES) return undefined;
      const text = (await file.readFile('utf8')).replace(/\n$/, '');
      return isToken(text) ? text : undefined;
    } finally {
      await file.close();
    }
  } catch {
    return undefined;
  }
}
