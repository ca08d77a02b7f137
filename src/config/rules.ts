import type { ZodType } from 'zod';
import type { BackendType } from './backends.ts';
import { check, type Draft, isRecord, own, quote } from './draft.ts';
import { type Path, pathKey } from './path.ts';
import { didYouMean, nearest } from './suggest.ts';

/** What is known of an operator; without `options` it takes none. */
export interface OperatorType {
  readonly options?: ZodType<object>;
}

/** What rules may refer to. */
export interface Known {
  readonly sinks: ReadonlyMap<string, BackendType>;
  /** Operators by name, or why one cannot be had; absent: not looked at yet, so not checked. */
  readonly operators?: ReadonlyMap<string, OperatorType | Error> | undefined;
}

interface Place {
  readonly draft: Draft;
  readonly known: Known;
  readonly backends: Record<string, unknown>;
  /** What the `overrides` schemas made of each rule's `config`, by `pathKey` of the rule. */
  readonly overrides: Map<string, object>;
  readonly used: Set<string>;
}

/** Checks what each rule refers to; returns the checked `config` of each rule by its `pathKey`. */
export function checkRules(draft: Draft, known: Known): ReadonlyMap<string, object> {
  const backends = own(draft.raw, 'backends');
  const routing = own(draft.raw, 'routing');
  const overrides = new Map<string, object>();
  if (!isRecord(backends) || !isRecord(routing)) return overrides;
  const place: Place = { draft, known, backends, overrides, used: new Set() };
  let count = 0;
  for (const [source, rules] of Object.entries(routing)) {
    for (const [index, rule] of (Array.isArray(rules) ? rules : []).entries()) {
      count++;
      if (isRecord(rule)) checkRule(rule, ['routing', source, index], place);
    }
  }
  if (count === 0)
    draft.warnings.push({ path: ['routing'], message: 'has no rule: no message goes anywhere' });
  for (const name of Object.keys(backends)) {
    if (place.used.has(name)) continue;
    draft.warnings.push({ path: ['backends', name], message: 'no rule sends anything here', atKey: true });
  }
  return overrides;
}

function checkRule(rule: Record<string, unknown>, path: Path, place: Place): void {
  checkTarget(rule, path, place);
  checkTypes(rule, path, place.draft);
  const { operators } = rule;
  for (const [index, use] of (Array.isArray(operators) ? operators : []).entries()) {
    checkOperator(use, [...path, 'operators', index], place);
  }
}

function checkTarget(
  rule: Record<string, unknown>,
  path: Path,
  { draft, known, backends, ...place }: Place,
): void {
  const { backend: name, config = {} } = rule;
  if (typeof name !== 'string') return;
  place.used.add(name);
  if (!Object.hasOwn(backends, name)) {
    const names = Object.keys(backends);
    const message = `unknown backend ${quote(draft, name)}${didYouMean(name, names) || `; "backends" has ${names.join(', ') || 'none'}`}`;
    draft.errors.push({ path: [...path, 'backend'], message });
    return;
  }
  const type = own(backends[name], 'type');
  const definition = typeof type === 'string' ? known.sinks.get(type) : undefined;
  if (definition === undefined || !isRecord(config)) return;
  const output = check(draft, definition.overrides, [...path, 'config'], () => config);
  if (output !== undefined) place.overrides.set(pathKey(path), output);
}

const TYPES = ['event', 'metric', 'progress', 'resource', 'span'];

/** Any type is routed, so a strange one is no error; but `metrics` is hardly meant. */
function checkTypes(rule: Record<string, unknown>, path: Path, draft: Draft): void {
  const types = own(rule.filter, 'types');
  for (const [index, type] of (Array.isArray(types) ? types : []).entries()) {
    if (typeof type !== 'string' || TYPES.includes(type)) continue;
    const meant = nearest(type, TYPES);
    if (meant === undefined) continue;
    const message = `"${type}" is a type of your own; did you mean "${meant}"?`;
    draft.warnings.push({ path: [...path, 'filter', 'types', index], message });
  }
}

function checkOperator(use: unknown, path: Path, { draft, known: { operators } }: Place): void {
  const name = typeof use === 'string' ? use : own(use, 'use');
  if (operators === undefined || typeof name !== 'string') return;
  const at = typeof use === 'string' ? path : [...path, 'use'];
  const operator = operators.get(name);
  if (operator === undefined) {
    const hint = didYouMean(name, operators.keys()) || `; the pipelines folder has no ${name}.ts`;
    draft.errors.push({ path: at, message: `unknown operator ${quote(draft, name)}${hint}` });
    return;
  }
  if (operator instanceof Error) {
    draft.errors.push({ path: at, message: operator.message });
    return;
  }
  const options = optionsOf(use);
  if (operator.options !== undefined) {
    try {
      check(draft, operator.options, path, () => optionsOf(use), ['use']);
    } catch (error) {
      // Its schema is the user's own code.
      const reason = error instanceof Error ? error.message : String(error);
      draft.errors.push({ path: at, message: `the operator "${name}" cannot check its options: ${reason}` });
    }
  } else if (Object.keys(options).length > 0) {
    draft.errors.push({ path: at, message: `the operator "${name}" takes no options` });
  }
}

/** An operator's options: everything beside `use`. */
export function optionsOf(use: unknown): Record<string, unknown> {
  const { use: _, ...options } = isRecord(use) ? use : {};
  return options;
}
