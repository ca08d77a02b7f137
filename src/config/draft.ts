import type { ZodType } from 'zod';
import type { Interpolated } from './interpolate.ts';
import type { Finding } from './issue.ts';
import { type Path, pathKey } from './path.ts';
import { validate } from './validate.ts';

/** A configuration on its way through the checks: what YAML says, and what was found so far. */
export interface Draft {
  readonly raw: Record<string, unknown>;
  readonly interpolated: ReadonlyMap<string, Interpolated>;
  readonly errors: Finding[];
  readonly warnings: Finding[];
}

/** A plain map, as opposed to a list or a scalar. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** The own value of `key`; `undefined` where `map` is none or does not have it. */
export const own = (map: unknown, key: string): unknown =>
  isRecord(map) && Object.hasOwn(map, key) ? map[key] : undefined;

/**
 * Checks what `select` picks from the draft, and notes what is wrong under `path`; the schema's output, or
 * `undefined`. A text made of references becomes a number or a boolean where only those will do.
 */
export function check<T>(
  draft: Draft,
  schema: ZodType<T>,
  path: Path,
  select: () => unknown,
  otherKeys: readonly string[] = [],
): T | undefined {
  const wording = { quote: (value: unknown) => quote(draft, value), otherKeys };
  let result = validate(schema, select(), path, wording);
  if ('findings' in result && result.findings.map((finding) => retype(draft, finding.path)).some(Boolean)) {
    result = validate(schema, select(), path, wording);
  }
  if ('output' in result) return result.output;
  draft.errors.push(...result.findings);
  return undefined;
}

const LONGEST_QUOTE = 60;

/** A value as an error may show it: no secrets, no novels, no control characters. */
export function quote({ interpolated }: Draft, value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const made = [...interpolated.values()].find((one) => one.text === text);
  const shown = made?.shown ?? text;
  return JSON.stringify(shown.length > LONGEST_QUOTE ? `${shown.slice(0, LONGEST_QUOTE)}…` : shown);
}

const NUMBER = /^-?\d+(\.\d+)?$/;

/** Puts the number or boolean that an interpolated text reads as in its place; false where it is none. */
function retype({ raw, interpolated }: Draft, path: Path): boolean {
  const text = interpolated.get(pathKey(path))?.text ?? '';
  const parent = valueAt(raw, path.slice(0, -1));
  const last = path.at(-1);
  const truth = text === 'true' || text === 'false';
  if (last === undefined || typeof parent !== 'object' || parent === null || !(truth || NUMBER.test(text)))
    return false;
  return Reflect.set(parent, last, truth ? text === 'true' : Number(text));
}

/** What stands at `path` below `value`; `undefined` where nothing does. */
export const valueAt = (value: unknown, path: Path): unknown =>
  path.reduce<unknown>((at, part) => (Array.isArray(at) ? at[Number(part)] : own(at, String(part))), value);
