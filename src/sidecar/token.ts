import { randomBytes } from 'node:crypto';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Log } from '../context.ts';
import { errorText } from '../deliver/retry.ts';
import { makeFolders } from '../folders.ts';
import { isToken } from '../token-text.ts';

/** What readers of the page and the API show. */
export interface Token {
  readonly token: string;
  /** The file that has it; '' if it could not be written. */
  readonly file: string;
}

/** In `data_dir`, readable by its owner only. */
export const TOKEN_FILE = 'http-token';

/**
 * The token that is `wanted`, else that of an earlier run, so that bookmarks stay good, else a new one, 256 random bits;
 * kept for programs of the same user. Never rejects.
 */
export async function openToken(dataDir: string, log: Log, wanted?: string): Promise<Token> {
  const file = join(dataDir, TOKEN_FILE);
  const known = await readFile(file, 'utf8').then(
    (text) => text.trim(),
    () => '',
  );
  const token = wanted ?? (isToken(known) ? known : randomBytes(32).toString('hex'));
  try {
    await makeFolders(dataDir);
    if (token !== known) await writeFile(file, `${token}\n`, { mode: 0o600 });
    await chmod(file, 0o600);
    return { token, file };
  } catch (error) {
    log.warn(
      { file, error: errorText(error) },
      'The HTTP token cannot be kept, and only the link that is printed on a terminal has it: make data_dir writable, or set http.auth',
    );
    return { token, file: '' };
  }
}
