import { type Batch, createBatch } from '../batch.ts';
import type { RuleConfig } from '../config/schema.ts';
import type { Context, Step } from '../context.ts';
import type { Delivery } from '../deliver/outcome.ts';
import { type Address, byTarget, type Sink, type Target } from '../deliver/sink.ts';
import type { Message } from '../message.ts';
import { bytesOf } from '../message-text.ts';
import type { Chain } from './chain.ts';
import { compileFilter, type Predicate } from './filter.ts';

/** A rule, compiled: which messages it takes, what they pass through and where in its backend they go. */
export interface Route {
  readonly rule: RuleConfig;
  /** `undefined`: takes all. The same function for the same filter. */
  readonly accepts: Predicate | undefined;
  /** The rule's operators; `undefined`: none. */
  readonly chain: Chain | undefined;
  readonly address: Address;
  /** For the journal. */
  readonly match: Step;
}

/** Compiles rules, with their places in the configuration, against their open backends; throws `Error` where a sink cannot make sense of a rule's `config`. */
export function compileRoute(context: Context) {
  const predicates = new Map<string, Predicate | undefined>();
  const predicateOf = ({ filter }: RuleConfig) => {
    const key = JSON.stringify(filter ?? null);
    if (!predicates.has(key)) predicates.set(key, compileFilter(filter, context));
    return predicates.get(key);
  };
  return (at: string, rule: RuleConfig, sink: Sink, chain: Chain | undefined): Route => ({
    rule,
    accepts: predicateOf(rule),
    chain,
    address: sink.address(rule.config),
    match: { kind: 'matched', backend: rule.backend, rule: at },
  });
}

/** A part of `batch`; the batch itself where the part is all of it. */
export function partOf(batch: Batch, messages: readonly Message[]): Batch {
  if (messages.length === batch.messages.length) return batch;
  return createBatch(messages, bytesOf(messages), batch.reason);
}

/** Addresses a batch of one source: one delivery a target, in order of each target's first message. */
export function deliveriesOf({ rule, address }: Route, batch: Batch): readonly Delivery[] {
  const deliver = (part: Batch, target: Target): Delivery => ({
    kind: 'delivery',
    backend: rule.backend,
    batch: part,
    target,
    overrides: rule.config,
    priority: rule.priority,
    whenFull: rule.when_full,
  });
  return byTarget(address, batch).map(({ target, messages }) => deliver(partOf(batch, messages), target));
}
