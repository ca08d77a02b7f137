import { createHash } from 'node:crypto';

const MAX_LENGTH = 120;

/**
 * A file name for any text: letters, digits, `_`, `-` and inner dots stay, all else is `%`-escaped, so that different
 * texts get different names and none leaves its folder. Long ones are cut and end in a hash.
 */
export function fileNameOf(text: string): string {
  const name = text.replace(/^\.|[^\w.-]/gu, escapeBytes) || '%';
  if (name.length <= MAX_LENGTH) return name;
  const hash = createHash('sha256').update(text).digest('hex').slice(0, 16);
  return `${name.slice(0, MAX_LENGTH - 17)}-${hash}`;
}

function escapeBytes(character: string): string {
  let escaped = '';
  for (const byte of Buffer.from(character))
    escaped += `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  return escaped;
}
