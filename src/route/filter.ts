import picomatch from 'picomatch';
import type { Context } from '../context.ts';
import { dataOf, type Json, type Message, recordOf } from '../message.ts';
import { severityOf } from '../severity.ts';

/** A rule's conditions; all given ones must hold. */
export interface Filter {
  readonly types?: readonly string[] | undefined;
  /** Levels of events, aliases welcome. Other types than events have none and do not pass. */
  readonly levels?: readonly string[] | undefined;
  /** The least level of events; other types pass. */
  readonly min_level?: string | undefined;
  /** Globs on `data.name` of metrics and spans. */
  readonly names?: readonly string[] | undefined;
  /** Globs on the source. */
  readonly sources?: readonly string[] | undefined;
  /** Fraction that passes: whole traces by their id, other messages at random. */
  readonly sample?: number | undefined;
  /** Conditions on fields of the record, by dotted path. */
  readonly match?: Readonly<Record<string, Condition>> | undefined;
}

type Scalar = string | number | boolean | null;

/** A value, one of several, or a comparison. A string may be a glob. */
export type Condition = Scalar | readonly Scalar[] | Comparison;

export interface Comparison {
  readonly gt?: number | undefined;
  readonly gte?: number | undefined;
  readonly lt?: number | undefined;
  readonly lte?: number | undefined;
  readonly exists?: boolean | undefined;
  readonly regex?: string | undefined;
}

/** Whether a message passes; never throws. */
export type Predicate = (message: Message) => boolean;

/** Compiles a glob over names: `*` and `**` match any characters, `?` one, `{a,b}` and `[ab]` as in a shell. */
export const glob = (pattern: string): ((text: string) => boolean) =>
  picomatch(pattern, { bash: true, dot: true, nonegate: true, flags: 's' });

const anyGlob = (patterns: readonly string[]) => {
  const matchers = patterns.map(glob);
  return (text: string) => matchers.some((matches) => matches(text));
};

/** Compiles a filter to one predicate; `undefined` where every message passes. */
export function compileFilter(
  filter: Filter | undefined,
  context: Pick<Context, 'random'>,
): Predicate | undefined {
  const tests = filter === undefined ? [] : [...conditions(filter, context)];
  const [first, second] = tests;
  if (first === undefined || second === undefined) return first;
  return (message) => tests.every((test) => test(message));
}

function* conditions(filter: Filter, { random }: Pick<Context, 'random'>): Generator<Predicate> {
  const { types, levels, min_level, names, sources, sample, match } = filter;
  if (types !== undefined) {
    const wanted = new Set(types);
    yield (message) => wanted.has(message.type);
  }
  if (levels !== undefined) {
    const wanted = new Set(levels.map(severityOf));
    yield (message) => message.severity > 0 && wanted.has(message.severity);
  }
  if (min_level !== undefined) {
    const least = severityOf(min_level);
    yield (message) => message.type !== 'event' || message.severity >= least;
  }
  if (sources !== undefined) {
    const matches = anyGlob(sources);
    yield (message) => matches(message.source);
  }
  if (names !== undefined) {
    const matches = anyGlob(names);
    yield (message) => {
      const { name } = dataOf(message);
      return typeof name === 'string' && matches(name);
    };
  }
  for (const [path, condition] of Object.entries(match ?? {})) yield compileMatch(path, condition);
  // Last, so that the fraction is one of what the other conditions let pass.
  if (sample !== undefined) {
    yield ({ traceId }) => (traceId === '' ? random() : fractionOf(traceId)) < sample;
  }
}

function compileMatch(path: string, condition: Condition): Predicate {
  const keys = path.split('.');
  const test = compileCondition(condition);
  return (message) => test(valueAt(message, path, keys));
}

function valueAt(message: Message, path: string, keys: readonly string[]): Json | undefined {
  if (path === 'job_id') return message.jobId === '' ? undefined : message.jobId;
  if (path === 'trace_id') return message.traceId === '' ? undefined : message.traceId;
  let value: Json | undefined = recordOf(message);
  for (const key of keys) {
    if (value === null || typeof value !== 'object' || !Object.hasOwn(value, key)) return undefined;
    value = (value as { readonly [key: string]: Json | undefined })[key];
  }
  return value;
}

type Test = (value: Json | undefined) => boolean;

function compileCondition(condition: Condition): Test {
  if (Array.isArray(condition)) {
    const tests = (condition as readonly Scalar[]).map(compileScalar);
    return (value) => tests.some((test) => test(value));
  }
  if (condition !== null && typeof condition === 'object') return compileComparison(condition as Comparison);
  return compileScalar(condition as Scalar);
}

function compileScalar(wanted: Scalar): Test {
  if (typeof wanted !== 'string') return (value) => value === wanted;
  const matches = glob(wanted);
  return (value) => value === wanted || (typeof value === 'string' && matches(value));
}

function compileComparison({ gt, gte, lt, lte, exists, regex }: Comparison): Test {
  const pattern = regex === undefined ? undefined : new RegExp(regex, 'u');
  const bounded = gt !== undefined || gte !== undefined || lt !== undefined || lte !== undefined;
  return (value) => {
    if (exists !== undefined && (value !== undefined) !== exists) return false;
    if (pattern !== undefined && !(typeof value === 'string' && pattern.test(value))) return false;
    if (!bounded) return true;
    if (typeof value !== 'number') return false;
    return (
      (gt === undefined || value > gt) &&
      (gte === undefined || value >= gte) &&
      (lt === undefined || value < lt) &&
      (lte === undefined || value <= lte)
    );
  };
}

/** A number in [0, 1) that is the same for the same text on every sidecar (FNV-1a, 32 bits, then mixed). */
export function fractionOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32;
}
