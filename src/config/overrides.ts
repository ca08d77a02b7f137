import { MAX_DEPTH, parseSource } from './document.ts';
import { isRecord, valueAt } from './draft.ts';
import type { Interpolated, Surroundings } from './interpolate.ts';
import type { Finding } from './issue.ts';
import { type Path, parsePath, pathKey } from './path.ts';
import { plainTree } from './tree.ts';

/** A value of the command line: `tcp.port` and the YAML of its value. */
export type Override = readonly [path: string, value: string];

/** What the overrides did to a configuration. */
export interface Overridden {
  /** The paths that were set; what is found there is the command line's fault. */
  readonly paths: readonly Path[];
  readonly interpolated: ReadonlyMap<string, Interpolated>;
  readonly findings: readonly Finding[];
}

/** Puts each override in its place in `raw`; maps and lists that are missing on the way are made. Never throws. */
export function applyOverrides(
  raw: Record<string, unknown>,
  overrides: readonly Override[],
  surroundings: Surroundings,
): Overridden {
  const paths: Path[] = [];
  const interpolated = new Map<string, Interpolated>();
  const findings: Finding[] = [];
  for (const [text, yaml] of overrides) {
    const parsed = parsePath(text) ?? [text];
    const path = parsed.slice(0, MAX_DEPTH);
    paths.push(path);
    if (path.length < parsed.length) {
      findings.push({ path, message: `nested deeper than ${MAX_DEPTH} levels` });
      continue;
    }
    if (parsePath(text) === undefined || path.includes('__proto__')) {
      findings.push({ path, message: 'is no path such as tcp.port or routing.web[0].enabled' });
      continue;
    }
    const source = parseSource(yaml);
    const tree = plainTree(source.root, surroundings, path);
    for (const [key, value] of tree.interpolated) interpolated.set(key, value);
    const problems = [...source.findings, ...tree.findings].map(({ message }) => ({ path, message }));
    if (problems.length === 0 && !put(raw, path, tree.value, paths)) {
      problems.push({
        path,
        message: 'there is no such place: what is above it is no map and no list, or a shorter list',
      });
    }
    findings.push(...problems);
  }
  return { paths, interpolated, findings };
}

/** Puts `value` in its place; maps and lists that are made for it join `made`. */
function put(raw: Record<string, unknown>, path: Path, value: unknown, made: Path[]): boolean {
  for (let depth = 1; depth < path.length; depth++) {
    const above = path.slice(0, depth);
    if (valueAt(raw, above) !== undefined) continue;
    if (!set(raw, above, typeof path[depth] === 'number' ? [] : {})) return false;
    made.push(above);
  }
  return set(raw, path, value);
}

function set(raw: Record<string, unknown>, path: Path, value: unknown): boolean {
  const parent = valueAt(raw, path.slice(0, -1));
  const last = path.at(-1) ?? '';
  if (Array.isArray(parent))
    return typeof last === 'number' && last <= parent.length && Reflect.set(parent, last, value);
  return isRecord(parent) && Reflect.set(parent, last, value);
}

/** Whether `path` is one of the paths or below one. */
export const isBelow = (path: Path, paths: readonly Path[]): boolean =>
  paths.some(
    (above) => above.length <= path.length && pathKey(path.slice(0, above.length)) === pathKey(above),
  );
