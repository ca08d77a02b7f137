import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';

// A pipe without a writer would hold an ordinary `open` for ever.
const FLAGS = constants.O_RDONLY | (constants.O_NONBLOCK ?? 0);

/**
 * The text of a regular UTF-8 file of at most `maxBytes`, without its byte order mark. Fails with an `Error` that
 * `reasonOf` words.
 */
export async function readText(path: string, maxBytes: number): Promise<string> {
  const file = await open(path, FLAGS);
  try {
    if (!(await file.stat()).isFile()) throw new Error(NOT_A_FILE);
    const { buffer, bytesRead } = await file.read(Buffer.alloc(maxBytes + 1), 0, maxBytes + 1, 0);
    return textOf(buffer.subarray(0, bytesRead), maxBytes);
  } finally {
    await file.close();
  }
}

/** `readText` at once, for the small files that a configuration refers to. */
export function readTextSync(path: string, maxBytes: number): string {
  const file = openSync(path, FLAGS);
  try {
    if (!fstatSync(file).isFile()) throw new Error(NOT_A_FILE);
    const buffer = Buffer.alloc(maxBytes + 1);
    return textOf(buffer.subarray(0, readSync(file, buffer, 0, maxBytes + 1, 0)), maxBytes);
  } finally {
    closeSync(file);
  }
}

const NOT_A_FILE = 'it is not a regular file';

function textOf(bytes: Buffer, maxBytes: number): string {
  if (bytes.length > maxBytes) throw new Error(`it is larger than ${maxBytes} bytes`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Error('it is not UTF-8 text');
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'no such file',
  ENOTDIR: 'a part of its path is not a folder',
  EACCES: 'no permission',
  EPERM: 'no permission',
  EISDIR: 'it is a folder',
  ELOOP: 'its symbolic links lead in a circle',
  ENAMETOOLONG: 'its name is too long',
};

/** Why a file could not be read, in a few words. */
export function reasonOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return String(error);
  const { code, message } = error as { readonly code?: unknown; readonly message?: unknown };
  return REASONS[String(code)] ?? String(message);
}
