import type { Config, RuleConfig } from '../config/schema.ts';
import type { Change, OperatorsChange, PlanView, RoutingChange } from '../http/plan-view.ts';
import type { Message } from '../message.ts';
import { compileFilter, type Predicate } from '../route/filter.ts';
import { createRuleFinder } from '../route/rules.ts';
import type { Draft } from './draft.ts';
import { usedBackends } from './dry-run.ts';
import { listenOptions } from './settings.ts';

/** What would become of a running configuration if the other took its place. */
export function compareDrafts(before: Draft, after: Draft): Omit<PlanView, 'routing' | 'warnings'> {
  const parts = {
    listeners: listenerChanges(before.config, after.config),
    backends: backendChanges(before.config, after.config),
    operators: operatorChanges(before, after),
    settings: settingChanges(before.config, after.config),
  };
  return { hash: after.hash, unchanged: before.hash === after.hash && isAllKept(parts), ...parts };
}

const isAllKept = (parts: Pick<PlanView, 'listeners' | 'backends' | 'operators' | 'settings'>) =>
  parts.settings.length === 0 &&
  [...parts.listeners, ...parts.backends, ...parts.operators].every(({ change }) => change === 'kept');

/** The change of each key that either side has; `text` tells whether it stays the same. */
function changesOf(before: ReadonlyMap<string, string>, after: ReadonlyMap<string, string>) {
  return [...new Set([...before.keys(), ...after.keys()])].map((key): readonly [string, Change] => {
    const [old, next] = [before.get(key), after.get(key)];
    if (old === undefined) return [key, 'opened'];
    if (next === undefined) return [key, 'drained'];
    return [key, old === next ? 'kept' : 'replaced'];
  });
}

function listenerChanges(before: Config, after: Config): PlanView['listeners'] {
  const addresses = (config: Config) =>
    new Map(
      listenOptions(config).map((options) => {
        const { address } = options;
        const name = 'path' in address ? address.path : `${address.host}:${address.port}`;
        return [name, JSON.stringify(options)];
      }),
    );
  return changesOf(addresses(before), addresses(after)).map(([address, change]) => ({ address, change }));
}

function backendChanges(before: Config, after: Config): PlanView['backends'] {
  const sections = (config: Config) =>
    new Map(usedBackends(config).map(([name, section]) => [name, JSON.stringify(section)]));
  return changesOf(sections(before), sections(after)).map(([backend, change]) => ({
    backend,
    change,
    keys: change === 'replaced' ? differences(before.backends[backend], after.backends[backend]) : [],
  }));
}

function operatorChanges(before: Draft, after: Draft): readonly OperatorsChange[] {
  const chains = ({ config, operators }: Draft) =>
    new Map(
      chainedOf(config).map(([at, { backend, operators: uses }]) => [
        at,
        JSON.stringify([backend, uses.map((one) => [one, operators.get(one.use)?.hash])]),
      ]),
    );
  const names = new Map(
    [before, after].flatMap(({ config }) =>
      chainedOf(config).map(([at, rule]) => [at, rule.operators.map(({ use }) => use)] as const),
    ),
  );
  return changesOf(chains(before), chains(after)).map(([rule, change]) => ({
    rule,
    use: names.get(rule) ?? [],
    change,
  }));
}

const rulesOf = ({ routing }: Config): readonly (readonly [string, RuleConfig])[] =>
  Object.entries(routing).flatMap(([source, rules]) =>
    rules.flatMap((rule, index) => (rule.enabled ? [[`routing.${source}[${index}]`, rule] as const] : [])),
  );

/** Rules that have operators. */
const chainedOf = (config: Config) => rulesOf(config).filter(([, rule]) => rule.operators.length > 0);

function settingChanges(before: Config, after: Config): readonly string[] {
  const { routing: _r, backends: _b, tcp: _t, tls: _s, ...old } = before;
  const { routing: _r2, backends: _b2, tcp: _t2, tls: _s2, ...next } = after;
  return [...differences(old, next), ...ruleChanges(before, after)];
}

/** Of rules that send to the backend to which they sent before: what differs and is told of nowhere else. */
function ruleChanges(before: Config, after: Config): readonly string[] {
  const old = new Map(rulesOf(before));
  const rest = ({ config, priority, when_full }: RuleConfig) => ({ config, priority, when_full });
  return rulesOf(after).flatMap(([at, rule]) => {
    const was = old.get(at);
    return was?.backend === rule.backend ? differences(rest(was), rest(rule), at) : [];
  });
}

/** Dotted paths of what differs between two trees. */
function differences(before: unknown, after: unknown, path = ''): readonly string[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (!isTree(before) || !isTree(after)) return [path];
  const keys = new Set([...Object.keys(before), ...Object.keys(after)]);
  // A backend's options are written beside its other keys.
  const below = (key: string) => (key === 'options' ? path : path === '' ? key : `${path}.${key}`);
  return [...keys].flatMap((key) => differences(before[key], after[key], below(key)));
}

const isTree = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Of how many kinds differences are told. */
const MAX_DIFFERENCES = 100;

/** Which of the messages other backends' rules would have taken. Sampling takes all, and operators are not run. */
export function compareRouting(
  before: Config,
  after: Config,
  messages: readonly Message[],
): PlanView['routing'] {
  const [old, next] = [routerOf(before), routerOf(after)];
  const groups = new Map<string, RoutingChange>();
  let changed = 0;
  for (const message of messages) {
    const [from, to] = [old(message), next(message)];
    const key = JSON.stringify([message.source, message.type, from, to]);
    if (JSON.stringify(from) === JSON.stringify(to)) continue;
    changed++;
    const { source, type, id } = message;
    const same = groups.get(key)?.messages ?? 0;
    if (same === 0 && groups.size >= MAX_DIFFERENCES) continue;
    groups.set(key, { source, type, messages: same + 1, before: from, after: to, example: id });
  }
  const sorted = [...groups.values()].sort((a, b) => b.messages - a.messages);
  return { messages: messages.length, changed, differences: sorted };
}

/** Says to which backends a message's rules send it, in order of their names; one that gets it twice is there twice. */
function routerOf({ routing }: Config): (message: Message) => readonly string[] {
  const rulesOfSource = createRuleFinder(routing);
  const predicates = new Map<RuleConfig, Predicate | undefined>();
  const accepts = (rule: RuleConfig, message: Message) => {
    if (!predicates.has(rule)) predicates.set(rule, compileFilter(rule.filter, { random: () => 0 }));
    return predicates.get(rule)?.(message) ?? true;
  };
  const known = new Map<string, readonly RuleConfig[]>();
  return (message) => {
    const rules = known.get(message.source) ?? rulesOfSource(message.source);
    known.set(message.source, rules);
    const taken = rules.filter((rule) => accepts(rule, message));
    return taken.map(({ backend }) => backend).sort();
  };
}
