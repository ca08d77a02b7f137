import { z } from 'zod';
import type { Finding } from './issue.ts';
import type { Path } from './path.ts';
import { didYouMean } from './suggest.ts';

/** How a check words its findings. */
export interface Wording {
  /** A value as it may be shown. */
  readonly quote: (value: unknown) => string;
  /** Keys that are known beside the schema's own, for suggestions. */
  readonly otherKeys?: readonly string[];
}

/** What a schema made of a value, or everything that is wrong with it. */
export type Validated<T> = { readonly output: T } | { readonly findings: readonly Finding[] };

type RawIssue = z.core.$ZodRawIssue;
type Issue = z.core.$ZodIssue;

/** Checks `value`; every finding has its full path below `path` and says what was expected. */
export function validate<T>(
  schema: z.ZodType<T>,
  value: unknown,
  path: Path,
  wording: Wording,
): Validated<T> {
  const known = new Map<readonly string[], readonly string[]>();
  const error = (issue: RawIssue) => {
    if (issue.code === 'unrecognized_keys')
      known.set(issue.keys, [...keysOf(issue.inst), ...(wording.otherKeys ?? [])]);
    return describe(issue, wording.quote);
  };
  const result = schema.safeParse(value, { error });
  if (result.success) return { output: result.data };
  return { findings: result.error.issues.flatMap((issue) => findingsOf(issue, path, known)) };
}

const keysOf = (schema: unknown): string[] =>
  schema instanceof z.ZodObject ? Object.keys(schema.shape) : [];

function findingsOf(
  issue: Issue,
  base: Path,
  known: ReadonlyMap<readonly string[], readonly string[]>,
): Finding[] {
  const path = [...base, ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part))];
  if (issue.code === 'unrecognized_keys') {
    const candidates = known.get(issue.keys) ?? [];
    return issue.keys.map((key) => ({
      path: [...path, key],
      message: `unknown key "${key}"${didYouMean(key, candidates)}`,
      atKey: true,
    }));
  }
  if (issue.code === 'invalid_union') {
    const [fitting, ...others] = issue.errors.filter((branch) => !branch.some(isOfAnotherKind));
    if (fitting !== undefined && others.length === 0)
      return fitting.flatMap((one) => findingsOf(one, path, known));
  }
  return [{ path, message: issue.message, atKey: issue.code === 'invalid_key' }];
}

/** A branch of a union that the value does not even resemble. */
const isOfAnotherKind = ({ code, path }: Issue): boolean =>
  path.length === 0 && (code === 'invalid_type' || code === 'invalid_value' || code === 'invalid_union');

function describe(issue: RawIssue, quote: Wording['quote']): string | undefined {
  switch (issue.code) {
    case 'invalid_type':
      return describeType(issue.expected, issue.input);
    case 'invalid_value':
      return describeValue(issue.values.map(String), issue.input, quote);
    case 'invalid_union':
      return describeUnion(issue.errors, issue.input);
    case 'too_small':
      if (issue.origin !== 'number' && issue.minimum === 1) return 'must not be empty';
      return `must ${bound(issue.origin, 'at least', issue.minimum, issue.inclusive === false ? 'more than' : undefined)}`;
    case 'too_big':
      return `must ${bound(issue.origin, 'at most', issue.maximum, issue.inclusive === false ? 'less than' : undefined)}`;
    case 'invalid_key':
      return `not a usable name: ${issue.issues[0]?.message ?? ''}`;
    default:
      return undefined;
  }
}

const NOUNS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'a map',
  record: 'a map',
  array: 'a list',
  null: 'null',
};

const noun = (expected: string): string => NOUNS[expected] ?? expected;

function describeType(expected: string, input: unknown): string {
  if (input === undefined) return `is missing; expected ${noun(expected)}`;
  if (expected === 'int' && typeof input === 'number') return 'expected a whole number, not a fraction';
  const quoted = expected === 'string' && (typeof input === 'number' || typeof input === 'boolean');
  return `expected ${noun(expected)}, not ${kindOf(input)}${quoted ? '; put it in quotes' : ''}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'a map';
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  return typeof value === 'string' ? 'text' : `a ${typeof value}`;
}

function describeValue(values: readonly string[], input: unknown, quote: Wording['quote']): string {
  const choice = values.length === 1 ? values.join() : `one of ${values.join(', ')}`;
  if (input === undefined) return `is missing; expected ${choice}`;
  if (typeof input !== 'string') return `expected ${choice}, not ${kindOf(input)}`;
  return `${quote(input)} is not ${choice}${didYouMean(input, values)}`;
}

function describeUnion(branches: readonly (readonly Issue[])[], input: unknown): string {
  const expected = branches.flatMap(([issue]) => {
    if (issue?.code === 'invalid_type') return [noun(issue.expected)];
    return issue?.code === 'invalid_value' ? [issue.values.map(String).join(' or ')] : [];
  });
  const choice = [...new Set(expected)].join(' or ');
  if (input === undefined) return `is missing; expected ${choice}`;
  return `expected ${choice}, not ${kindOf(input)}`;
}

function bound(origin: string, inclusive: string, limit: number | bigint, exclusive = inclusive): string {
  if (origin === 'string') return `have ${exclusive} ${limit} characters`;
  if (origin === 'array' || origin === 'set') return `have ${exclusive} ${limit} entries`;
  return `be ${exclusive} ${limit}`;
}
