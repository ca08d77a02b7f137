import { type ConfigIssue, type Finding, OVERRIDE } from './issue.ts';
import { isBelow } from './overrides.ts';
import { formatPath, type Path, pathKey } from './path.ts';
import type { Place } from './tree.ts';

/** Gives a finding its place. */
export type Locate = (finding: Finding) => ConfigIssue;

type PlaceOf = (offset: number) => { readonly line: number; readonly column: number };

/** Places findings in `file`, or on the command line where their path was set there. */
export function locator(
  file: string,
  placeOf: PlaceOf,
  places: ReadonlyMap<string, Place>,
  overridden: readonly Path[],
): Locate {
  return ({ path, message, atKey, offset }) => {
    const what = { path: formatPath(path), message };
    if (isBelow(path, overridden)) return { file: OVERRIDE, line: 0, column: 0, ...what };
    return { file, ...placeOf(offset ?? offsetOf(path, atKey === true, places)), ...what };
  };
}

/** Of a value that is missing, the key of what it is missing in. */
function offsetOf(path: Path, atKey: boolean, places: ReadonlyMap<string, Place>): number {
  for (let length = path.length; length >= 0; length--) {
    const place = places.get(pathKey(path.slice(0, length)));
    if (place === undefined) continue;
    return atKey || length < path.length ? (place.key ?? place.value) : place.value;
  }
  return 0;
}

const MOST = 100;

/** The findings in the order of the file, each once; past a hundred they are only counted. */
export function report(findings: readonly Finding[], locate: Locate): readonly ConfigIssue[] {
  const issues = new Map(
    findings.map((finding) => [
      JSON.stringify([finding.path, finding.message, finding.offset]),
      locate(finding),
    ]),
  );
  const sorted = [...issues.values()].sort((a, b) => a.line - b.line || a.column - b.column);
  const last = sorted[MOST - 1];
  if (sorted.length <= MOST || last === undefined) return sorted;
  const left = sorted.length - MOST + 1;
  return [...sorted.slice(0, MOST - 1), { ...last, path: '', message: `and ${left} more` }];
}
