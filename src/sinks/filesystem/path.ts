import { isAbsolute, join, relative, resolve, sep } from 'node:path';
import type { Address } from '../../deliver/sink.ts';
import { templateAddress } from '../naming/address.ts';
import { compileTemplate } from '../naming/template.ts';
import { liveName } from './rotated.ts';

/**
 * Compiles a path template, relative to `base` (absolute itself) or absolute inside it, into an address whose
 * keys are absolute paths inside `base`. Throws `Error` for a path outside it.
 */
export function compilePath(base: string, text: string): Address {
  // A field counts as a folder's or file's name here: its value has no separator and is never `..`.
  const inside = relative(base, resolve(base, text));
  const quoted = JSON.stringify(text);
  if (!within(inside)) {
    throw new Error(`path ${quoted} is outside base_path ${JSON.stringify(base)}; name a file inside it`);
  }
  if (inside === '' || /(^|[/\\])\.{0,2}$/.test(text)) {
    throw new Error(`path ${quoted} names a folder; add a file name such as {source}.jsonl`);
  }
  if (text.includes('\0')) throw new Error(`path ${quoted} has a NUL character`);
  return templateAddress(compileTemplate(inside), (name) => join(base, liveName(name)));
}

/** Whether `path` is `base` or lies in it; both absolute, links resolved. */
export const isInside = (base: string, path: string): boolean => within(relative(base, path));

const within = (path: string) => path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path);
