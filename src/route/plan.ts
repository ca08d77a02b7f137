import { concat, defer, ignoreElements, merge, Observable, tap } from 'rxjs';
import type { Batch } from '../batch.ts';
import type { Config, RuleConfig } from '../config/schema.ts';
import type { Context } from '../context.ts';
import type { Routed } from '../deliver/outcome.ts';
import type { Sink } from '../deliver/sink.ts';
import { memoise } from '../flow/memoise.ts';
import { type Chain, createChain } from './chain.ts';
import { dispatch, type Way } from './dispatch.ts';
import type { LoadedOperator } from './load-operators.ts';
import { compileRoute, deliveriesOf, type Route } from './routes.ts';
import { createRuleFinder } from './rules.ts';

/** A configuration that can run: its rules compiled, bound to open backends and loaded operators. */
export interface Plan {
  readonly config: Config;
  readonly hash: string;
  /** Its backends: each gets an outcome for every message. */
  readonly backends: readonly string[];
  /** Operator chains by fingerprint; a newer plan takes over those that it has too, with their state. */
  readonly chains: ReadonlyMap<string, Chain>;
  /** Messages that operators hold while they are this plan's, by backend. */
  held(): ReadonlyMap<string, number>;
  /** Routes batches until `batch$` completes, then drains the chains that no newer plan took over. */
  run(batch$: Observable<Batch>): Observable<Routed>;
}

/** What a configuration is bound to. */
export interface Parts {
  readonly hash: string;
  readonly sinks: ReadonlyMap<string, Sink>;
  readonly operators: ReadonlyMap<string, LoadedOperator>;
  readonly previous: Plan | undefined;
}

/** How many sources' ways are remembered. */
const MAX_WAYS = 10_000;

/** Compiles a checked configuration. Throws `Error` naming the rule where a sink or an operator refuses it. */
export function compile(config: Config, parts: Parts, context: Context): Plan {
  const routes = compileRules(config, parts, context);
  const chains = [...routes.values()].flatMap(({ chain }) => chain ?? []);
  const rulesOf = createRuleFinder(config.routing);
  const backends = Object.keys(config.backends);
  const wayOf = memoise(MAX_WAYS, (source: string): Way => {
    const taken = rulesOf(source).flatMap((rule) => routes.get(rule) ?? []);
    const routed = new Set(taken.map(({ rule }) => rule.backend));
    return { routes: taken, unrouted: backends.filter((backend) => !routed.has(backend)) };
  });

  const plan = {};
  const isMine = (chain: Chain) => owners.get(chain) === plan;

  const run = (batch$: Observable<Batch>) =>
    new Observable<Routed>((subscriber) => {
      const emit = (routed: Routed) => subscriber.next(routed);
      for (const route of routes.values()) attach(route, plan, emit);
      const route$ = batch$.pipe(tap((batch) => dispatch(batch, wayOf(batch.source), emit, context)));
      // merge: the chains drain side by side, once nothing goes in any more
      const drain$ = defer(() =>
        merge(...chains.filter(isMine).map((chain) => chain.drain(config.reload.drain))),
      );
      return concat(route$, drain$).pipe(ignoreElements()).subscribe(subscriber);
    });

  return {
    config,
    hash: parts.hash,
    backends,
    chains: new Map(chains.map((chain) => [chain.fingerprint, chain])),
    held: () => heldBy([...routes.values()].filter(({ chain }) => chain !== undefined && isMine(chain))),
    run,
  };
}

/** Which plan a chain works for: the newest running one that has it. */
const owners = new WeakMap<Chain, object>();

function attach(route: Route, plan: object, emit: (routed: Routed) => void): void {
  const { chain } = route;
  if (chain === undefined) return;
  owners.set(chain, plan);
  chain.attach((out) => {
    if ('kind' in out) emit(out);
    else deliveriesOf(route, out).forEach(emit);
  });
}

function heldBy(routes: readonly Route[]): ReadonlyMap<string, number> {
  const held = new Map<string, number>();
  for (const { rule, chain } of routes) {
    held.set(rule.backend, (held.get(rule.backend) ?? 0) + (chain?.held() ?? 0));
  }
  return held;
}

function compileRules(config: Config, parts: Parts, context: Context): ReadonlyMap<RuleConfig, Route> {
  const compileOne = compileRoute(context);
  const routes = new Map<RuleConfig, Route>();
  for (const [source, rules] of Object.entries(config.routing)) {
    for (const [index, rule] of rules.entries()) {
      const sink = parts.sinks.get(rule.backend);
      if (!rule.enabled || sink === undefined) continue;
      const at = `routing.${source}[${index}]`;
      try {
        routes.set(rule, compileOne(at, rule, sink, chainOf(at, rule, parts, context)));
      } catch (error) {
        throw new Error(`${at}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
      }
    }
  }
  return routes;
}

/** A rule's operators: the ones of the plan before where nothing about them changed, with what they know. */
function chainOf(at: string, rule: RuleConfig, parts: Parts, context: Context): Chain | undefined {
  if (rule.operators.length === 0) return undefined;
  const operators = rule.operators.map(({ use, options }) => {
    const loaded = parts.operators.get(use);
    if (loaded === undefined) throw new Error(`operator "${use}" is not loaded`);
    return { loaded, options };
  });
  const chain = createChain({ operators, backend: rule.backend, rule: at }, context);
  return parts.previous?.chains.get(chain.fingerprint) ?? chain;
}
