import { members } from '../members.ts';

/**
 * Rewrites top-level members of a valid JSON object's text without touching any other byte of a value, so that
 * numbers beyond 2^53 and the sender's own spelling survive. A key of `changes` is replaced by the given JSON
 * text, or removed for `undefined`; of a duplicated key the last one stays, as `JSON.parse` has it.
 */
export function rewrite(text: string, changes: ReadonlyMap<string, string | undefined>): string {
  const kept = new Map<string, string>();
  for (const member of members(text)) kept.set(member.key, member.text);
  for (const [key, value] of changes) {
    if (value === undefined) kept.delete(key);
    else kept.set(key, `${JSON.stringify(key)}:${value}`);
  }
  return `{${[...kept.values()].join(',')}}`;
}
