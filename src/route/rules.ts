import type { Config, RuleConfig } from '../config/schema.ts';
import { glob } from './filter.ts';

/** Keys of `routing` that are not sources: the fallback, and what applies to every source beside its own rules. */
const DEFAULT = 'default';
const ALL = 'all';

/**
 * Finds the enabled rules of a source, by priority, then in the file's order: those under its exact name, else under
 * the first glob that matches, else `default`; and `all` besides.
 */
export function createRuleFinder(routing: Config['routing']): (source: string) => readonly RuleConfig[] {
  const { [DEFAULT]: fallback = [], [ALL]: everywhere = [], ...sources } = routing;
  // A Map, since a source may be called like a member of every object.
  const exact = new Map(Object.entries(sources));
  const globs = Object.entries(sources)
    .filter(([key]) => /[*?[{]/.test(key))
    .map(([key, rules]) => ({ matches: glob(key), rules }));

  const ownRules = (source: string) =>
    exact.get(source) ?? globs.find(({ matches }) => matches(source))?.rules ?? fallback;
  return (source) =>
    [...ownRules(source), ...everywhere]
      .filter(({ enabled }) => enabled)
      .sort((a, b) => a.priority - b.priority);
}
