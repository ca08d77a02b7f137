import { Observable } from 'rxjs';
import type { Batch } from '../batch.ts';
import type { Config, RuleConfig } from '../config/schema.ts';
import type { Context } from '../context.ts';
import { outcome, type Routed } from '../deliver/outcome.ts';
import type { Sink } from '../deliver/sink.ts';
import { memoise } from '../flow/memoise.ts';
import type { Message } from '../message.ts';
import { type Chain, createChain } from './chain.ts';
import type { Predicate } from './filter.ts';
import type { LoadedOperator } from './load-operators.ts';
import { compileRoute, deliveriesOf, partOf, type Route } from './routes.ts';
import { createRuleFinder } from './rules.ts';

/** A configuration that can run: the rules compiled, bound to open backends and loaded operators. */
export interface Plan {
  readonly config: Config;
  readonly hash: string;
  /** Its backends: each gets an outcome for every message. */
  readonly backends: readonly string[];
  /** Operator chains by fingerprint; a newer plan takes over those that it has too, with their state. */
  readonly chains: ReadonlyMap<string, Chain>;
  /** Routes batches until `batch$` completes, then drains the chains that no newer plan took over. */
  run(batch$: Observable<Batch>): Observable<Routed>;
}

/** What a configuration is bound to. */
export interface Parts {
  readonly hash: string;
  readonly sinks: ReadonlyMap<string, Sink>;
  /** Says which version of a backend's section is meant. */
  readonly fingerprints: ReadonlyMap<string, string>;
  readonly operators: ReadonlyMap<string, LoadedOperator>;
  readonly previous: Plan | undefined;
}

interface CompiledRule {
  readonly route: Route;
  readonly chain: Chain | undefined;
}

/** What happens to a source's batches. */
interface Way {
  readonly rules: readonly CompiledRule[];
  /** Backends that get nothing of the source. */
  readonly unrouted: readonly string[];
}

/** How many sources' ways are remembered. */
const MAX_WAYS = 10_000;

/** Compiles a checked configuration. Throws `Error` naming the rule where a sink or an operator refuses it. */
export function compile(config: Config, parts: Parts, context: Context): Plan {
  const compiled = compileRules(config, parts, context);
  const chains = new Map([...compiled.values()].flatMap(({ chain }) => (chain ? [[chain.fingerprint, chain]] : [])));
  const backends = Object.keys(config.backends);
  const rulesOf = createRuleFinder(config.routing);
  const wayOf = memoise(MAX_WAYS, (source: string): Way => {
    const rules = rulesOf(source).flatMap((rule) => compiled.get(rule) ?? []);
    const routed = new Set(rules.map(({ route }) => route.rule.backend));
    return { rules, unrouted: backends.filter((backend) => !routed.has(backend)) };
  });

  const run = (batch$: Observable<Batch>) =>
    new Observable<Routed>((subscriber) => {
      const emit = (routed: Routed) => subscriber.next(routed);
      for (const { route, chain } of compiled.values()) {
        chain?.attach((out) => (out.kind === 'outcome' ? emit(out) : deliveriesOf(route, out).forEach(emit)));
      }
      subscriber.add(
        batch$.subscribe({
          next: (batch) => dispatch(batch, wayOf(batch.source), emit, context),
          complete: () => subscriber.complete(),
        }),
      );
    });
  return { config, hash: parts.hash, backends, chains, run };
}

function compileRules(config: Config, parts: Parts, context: Context): ReadonlyMap<RuleConfig, CompiledRule> {
  const compiled = new Map<RuleConfig, CompiledRule>();
  for (const [source, rules] of Object.entries(config.routing)) {
    for (const [index, rule] of rules.entries()) {
      if (!rule.enabled) continue;
      compiled.set(rule, compileRule(`routing.${source}[${index}]`, rule, parts, context));
    }
  }
  return compiled;
}
