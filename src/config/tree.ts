import { isAlias, isMap, isScalar, isSeq, type Node, type Pair, Scalar } from 'yaml';
import { type Interpolated, interpolate, type Surroundings } from './interpolate.ts';
import type { Finding } from './issue.ts';
import { type Path, pathKey } from './path.ts';

/** Where a value and its key begin, as offsets in the text. */
export interface Place {
  readonly key: number | undefined;
  readonly value: number;
}

/** A YAML document as plain values, with what is known of each by its `pathKey`. */
export interface Tree {
  readonly value: unknown;
  readonly places: ReadonlyMap<string, Place>;
  /** The texts in which references were replaced. */
  readonly interpolated: ReadonlyMap<string, Interpolated>;
  readonly findings: readonly Finding[];
}

/** How many values a document may have once its aliases are written out: the end of every "YAML bomb". */
export const MAX_VALUES = 100_000;
const MAX_INTERPOLATED = 4 * 2 ** 20;

/** Thrown inside the walk, caught at its top. */
class TooLarge extends Error {}

interface Walk {
  readonly surroundings: Surroundings;
  readonly places: Map<string, Place>;
  readonly interpolated: Map<string, Interpolated>;
  readonly findings: Finding[];
  readonly anchors: Map<string, Node>;
  /** The nodes around the current one. */
  readonly around: Set<Node>;
  values: number;
  characters: number;
}

/**
 * A document as plain values: aliases and merge keys written out, references replaced. Never throws.
 * `path` is where it stands in the configuration, if not at its root.
 */
export function plainTree(root: Node | null, surroundings: Surroundings, path: Path = []): Tree {
  const walk: Walk = {
    surroundings,
    places: new Map(),
    interpolated: new Map(),
    findings: [],
    anchors: new Map(),
    around: new Set(),
    values: 0,
    characters: 0,
  };
  try {
    return { ...walk, value: root === null ? null : plain(root, path, undefined, walk) };
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    return { ...walk, value: null, findings: [{ path, message: error.message }] };
  }
}

function plain(node: Node, path: Path, key: number | undefined, walk: Walk): unknown {
  if (++walk.values > MAX_VALUES) {
    throw new TooLarge(`more than ${MAX_VALUES} values once aliases are written out; is this a YAML bomb?`);
  }
  walk.places.set(pathKey(path), { key, value: node.range?.[0] ?? 0 });
  if (isAlias(node)) return plainAlias(node.source, path, key, walk);
  if ('anchor' in node && typeof node.anchor === 'string') walk.anchors.set(node.anchor, node);
  if (isScalar(node)) return plainScalar(node.value, path, walk);
  walk.around.add(node);
  const value = isMap(node) ? plainMap(node.items as Pairs, path, walk) : plainList(node, path, walk);
  walk.around.delete(node);
  return value;
}

type Pairs = readonly Pair<Node, Node | null>[];

const plainList = (node: Node, path: Path, walk: Walk): unknown[] =>
  isSeq(node) ? node.items.map((item, index) => plain(item as Node, [...path, index], undefined, walk)) : [];

function plainAlias(name: string, path: Path, key: number | undefined, walk: Walk): unknown {
  const target = walk.anchors.get(name);
  if (target !== undefined && !walk.around.has(target)) return plain(target, path, key, walk);
  const message =
    target === undefined ? `there is no anchor &${name} before *${name}` : `*${name} contains itself`;
  walk.findings.push({ path, message });
  return null;
}

function plainScalar(value: unknown, path: Path, walk: Walk): unknown {
  walk.interpolated.delete(pathKey(path));
  if (typeof value !== 'string' || !value.includes('$')) return value;
  const result = interpolate(value, walk.surroundings);
  walk.characters += result.text.length;
  if (walk.characters > MAX_INTERPOLATED) {
    throw new TooLarge(`more than ${MAX_INTERPOLATED} characters once references are replaced`);
  }
  walk.interpolated.set(pathKey(path), result);
  for (const message of result.problems) walk.findings.push({ path, message });
  return result.text;
}

const isMerge = (key: Node): boolean => isScalar(key) && key.type === Scalar.PLAIN && key.value === '<<';

function plainMap(pairs: Pairs, path: Path, walk: Walk): Record<string, unknown> {
  const map = merged(pairs, path, walk);
  const own = new Set<string>();
  for (const { key, value } of pairs) {
    if (isMerge(key)) continue;
    const offset = key.range?.[0] ?? 0;
    const name = keyOf(key);
    const problem = keyProblem(name, own);
    if (name === undefined || problem !== undefined) {
      walk.findings.push({ path: name ? [...path, name] : path, message: problem ?? '', offset });
      continue;
    }
    own.add(name);
    const place = [...path, name];
    map[name] = value === null ? null : plain(value, place, offset, walk);
    if (value === null) walk.places.set(pathKey(place), { key: offset, value: offset });
  }
  return map;
}

/** What `<<` brings in; of several maps the first wins, so it comes last. */
function merged(pairs: Pairs, path: Path, walk: Walk): Record<string, unknown> {
  const map: Record<string, unknown> = {};
  const id = pathKey(path);
  const place = walk.places.get(id);
  for (const { key, value } of pairs) {
    if (!isMerge(key)) continue;
    const sources = isSeq(value) ? [...value.items].reverse() : [value];
    for (const node of sources as (Node | null)[]) {
      const source = node === null ? null : plain(node, path, undefined, walk);
      if (typeof source === 'object' && source !== null && !Array.isArray(source)) Object.assign(map, source);
      else
        walk.findings.push({
          path,
          message: '"<<" takes a map or a list of maps',
          offset: key.range?.[0] ?? 0,
        });
    }
  }
  if (place !== undefined) walk.places.set(id, place);
  return map;
}

/** A key as it is written (`1.0` stays `1.0`); `undefined` for a list or a map. */
function keyOf(key: Node): string | undefined {
  if (!isScalar(key)) return undefined;
  return typeof key.value === 'string' ? key.value : (key.source ?? '');
}

function keyProblem(name: string | undefined, own: ReadonlySet<string>): string | undefined {
  if (name === undefined || name === '') return 'a key must be plain text, and not empty';
  if (name === '__proto__') return 'this key is not allowed';
  return own.has(name) ? 'this key is given twice' : undefined;
}
