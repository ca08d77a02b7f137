import { dirname, isAbsolute, join } from 'node:path';
import { type BackendType, checkBackends } from './backends.ts';
import { parseSource } from './document.ts';
import { check, type Draft, isRecord, own, valueAt } from './draft.ts';
import { hashOf } from './hash.ts';
import { MASK, type Surroundings } from './interpolate.ts';
import type { ConfigIssue, Finding } from './issue.ts';
import { checkListeners, readTls } from './listeners.ts';
import { applyOverrides, isBelow, type Override } from './overrides.ts';
import { type Path, pathKey } from './path.ts';
import { hide, keepSecret, literalSecrets } from './redact.ts';
import { type Locate, locator, report } from './report.ts';
import { checkRules, type OperatorType, optionsOf } from './rules.ts';
import { type BackendConfig, type Config, configSchema, type RuleConfig } from './schema.ts';
import { plainTree, type Tree } from './tree.ts';

/** What a configuration is checked against. */
export interface ParseOptions extends Surroundings {
  /** The backends' types by name. */
  readonly sinks: ReadonlyMap<string, BackendType>;
  /** The operators by name, or why one cannot be had; without it their names and options are not checked. */
  readonly operators?: ReadonlyMap<string, OperatorType | Error> | undefined;
  /** The operators' folder, if it is not there: doubtful where the configuration names it. */
  readonly missingFolder?: string | undefined;
  /** Set after the file was read, before it is checked; in order. */
  readonly overrides?: readonly Override[] | undefined;
}

/** A configuration that can be compiled, or everything that is wrong with it. */
export type ParseResult =
  | { readonly config: Config; readonly hash: string; readonly warnings: readonly ConfigIssue[] }
  | { readonly errors: readonly ConfigIssue[] };

/**
 * Reads a configuration: YAML, then references, then the schema, then what refers to what. Never throws, takes
 * bounded time on any text, and finds all errors at once, in the order of the file. `path` names the file in
 * errors; what the file refers to (`${file:…}`, certificates) is relative to its folder.
 */
export function parseConfig(text: string, path: string, options: ParseOptions): ParseResult {
  const surroundings = relativeTo(dirname(path), options);
  const source = parseSource(text);
  const tree = plainTree(source.root, surroundings);
  const { value: raw } = tree;
  if (source.findings.length > 0 || !isRecord(raw)) {
    const findings = source.findings.length > 0 ? source.findings : notAMap(raw, tree);
    return { errors: report(findings, locator(path, source.placeOf, tree.places, [])) };
  }
  const overridden = applyOverrides(raw, options.overrides ?? [], surroundings);
  const kept = [...tree.interpolated].filter(([key]) => !isBelow(JSON.parse(key), overridden.paths));
  const interpolated = new Map([...kept, ...overridden.interpolated]);
  const draft: Draft = {
    raw,
    interpolated,
    errors: [...tree.findings, ...overridden.findings],
    warnings: [],
  };
  const locate = locator(path, source.placeOf, tree.places, overridden.paths);
  return conclude(draft, options, surroundings, locate);
}

function conclude(
  draft: Draft,
  options: ParseOptions,
  surroundings: Surroundings,
  locate: Locate,
): ParseResult {
  const broken = draft.errors.filter(({ offset }) => offset === undefined).map(({ path }) => path);
  const before = draft.errors.length;
  const secrets = [...draft.interpolated.values()].flatMap((one) => one.secrets);
  const hidden = [...secrets, ...literalSecrets(draft.raw)];
  const told = (findings: readonly Finding[]) =>
    report(findings, locate).map((issue) => ({ ...issue, message: hide(issue.message, hidden) }));

  const config = assemble(draft, options, surroundings);
  if (config === undefined) {
    // What is said of a value whose reference failed is of no use.
    const errors = draft.errors.filter(({ path }, index) => index < before || !isBelow(path, broken));
    return { errors: told(errors) };
  }
  if (options.missingFolder !== undefined && own(draft.raw, 'pipelines') !== undefined) {
    const message = `there is no folder ${options.missingFolder}; only the sidecar's own operators are found`;
    draft.warnings.push({ path: ['pipelines'], message });
  }
  keepSecret(config, { shown: shownTexts(draft), values: secrets });
  return { config, hash: hashOf(config), warnings: told(draft.warnings) };
}

function assemble(draft: Draft, options: ParseOptions, { readFile }: Surroundings): Config | undefined {
  const base = check(draft, configSchema, [], () => draft.raw);
  const backendOptions = checkBackends(draft, options.sinks);
  const overrides = checkRules(draft, options);
  if (base !== undefined) checkListeners(base, draft);
  const tls = base?.tls && readTls(base.tls, readFile, draft);
  if (base === undefined || draft.errors.length > 0) return undefined;

  const backend = ([name, section]: [string, (typeof base.backends)[string]]): [string, BackendConfig] => {
    const { type, queue, durability, spool, concurrency, timeout, retry, breaker, batch, dead_letters } =
      section;
    const lane = { queue, durability, spool, concurrency, timeout, retry, breaker, batch, dead_letters };
    return [name, { type, ...lane, options: backendOptions.get(name) ?? {} }];
  };
  const rules = ([source, list]: [string, (typeof base.routing)[string]]): [string, RuleConfig[]] => [
    source,
    list.map((rule, index) => ({
      ...rule,
      config: { ...(overrides.get(pathKey(['routing', source, index])) ?? rule.config) },
      operators: rule.operators.map((use, at) => ({
        use: nameOf(use),
        // Not of `base`: the check of the operator's options may have turned texts into numbers since.
        options: optionsOf(valueAt(draft.raw, ['routing', source, index, 'operators', at])),
      })),
    })),
  ];
  const config: Config = {
    ...base,
    tls,
    routing: Object.fromEntries(Object.entries(base.routing).map(rules)),
    backends: Object.fromEntries(Object.entries(base.backends).map(backend)),
  };
  return freeze(config);
}

const nameOf = (use: string | { readonly use: string }): string => (typeof use === 'string' ? use : use.use);

function notAMap(value: unknown, { findings }: Tree): readonly Finding[] {
  if (findings.length > 0) return findings;
  const what = value === null || value === undefined ? 'the file is empty' : 'this is no map';
  return [{ path: [], message: `${what}; a configuration is a map with "routing" and "backends"` }];
}

/** Texts of the configuration that may not be shown as they are, as they may be. */
function shownTexts({ interpolated, raw }: Draft): ReadonlyMap<string, string> {
  const shown = new Map<string, string>();
  for (const [key, text] of interpolated) if (text.secrets.length > 0) shown.set(key, text.shown);
  for (const [key, value] of Object.entries(isRecord(raw.tls) ? raw.tls : {})) {
    const path: Path = ['tls', key];
    if (typeof value !== 'string' || key === 'client_certificates' || shown.has(pathKey(path))) continue;
    shown.set(pathKey(path), value.includes('-----BEGIN ') ? MASK : value);
  }
  return shown;
}

function relativeTo(folder: string, { env, readFile }: Surroundings): Surroundings {
  return { env, readFile: (path) => readFile(isAbsolute(path) ? path : join(folder, path)) };
}

function freeze<T>(value: T): T {
  const plain =
    Array.isArray(value) || (isRecord(value) && Object.getPrototypeOf(value) === Object.prototype);
  if (!plain || Object.isFrozen(value)) return value;
  for (const inner of Object.values(value as object)) freeze(inner);
  return Object.freeze(value);
}
