import { createHash } from 'node:crypto';
import { isRecord } from './draft.ts';
import type { Config } from './schema.ts';

/**
 * 12 hex digits that name a configuration: the same for the same meaning, whatever the order of its keys, its
 * comments or its file. The order of rules and of globs counts, for it has a meaning.
 */
export function hashOf(config: Config): string {
  const globs = Object.keys(config.routing).filter((source) => /[*?[{!]/.test(source));
  return createHash('sha256')
    .update(canonical([config, globs]))
    .digest('hex')
    .slice(0, 12);
}

/** JSON with sorted keys, and without keys that are `undefined`; other objects than maps and lists by their text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (!isPlain(value)) return JSON.stringify(typeof value === 'object' ? String(value) : value) ?? 'null';
  const keys = Object.keys(value).filter((key) => value[key] !== undefined);
  const members = keys.sort().map((key) => `${JSON.stringify(key)}:${canonical(value[key])}`);
  return `{${members.join()}}`;
}

const isPlain = (value: unknown): value is Record<string, unknown> =>
  isRecord(value) && [Object.prototype, null].includes(Object.getPrototypeOf(value));
