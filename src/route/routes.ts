import { type Batch, createBatch } from '../batch.ts';
import type { RuleConfig } from '../config/schema.ts';
import type { Context } from '../context.ts';
import type { Delivery } from '../deliver/outcome.ts';
import type { Address, Sink, Target } from '../deliver/sink.ts';
import type { Message } from '../message.ts';
import { compileFilter, type Predicate } from './filter.ts';

/** A rule, compiled: which messages it takes and where in its backend they go. */
export interface Route {
  readonly rule: RuleConfig;
  /** `undefined`: takes all. */
  readonly accepts: Predicate | undefined;
  readonly address: Address;
}

/** Compiles a rule against its open backend. Throws `Error` where the sink cannot make sense of its `config`. */
export const compileRoute = (rule: RuleConfig, sink: Sink, context: Context): Route => ({
  rule,
  accepts: compileFilter(rule.filter, context),
  address: sink.address(rule.config),
});

/** A part of `batch`; the batch itself where the part is all of it. */
export function partOf(batch: Batch, messages: readonly Message[]): Batch {
  if (messages.length === batch.messages.length) return batch;
  const bytes = messages.reduce((sum, message) => sum + message.bytes, 0);
  return createBatch(messages, bytes, batch.reason);
}

/** Addresses a batch of one source: one delivery a target, in order of each target's first message. */
export function deliveriesOf({ rule, address }: Route, batch: Batch): readonly Delivery[] {
  const deliver = (part: Batch, target: Target): Delivery => ({
    kind: 'delivery',
    backend: rule.backend,
    batch: part,
    target,
    priority: rule.priority,
    whenFull: rule.when_full,
  });
  const [first] = batch.messages;
  if (first === undefined) return [];
  if (!address.perMessage) return [deliver(batch, address.target(first))];
  const byTarget = new Map<string, { target: Target; messages: Message[] }>();
  for (const message of batch.messages) {
    const target = address.target(message);
    const found = byTarget.get(target.key);
    if (found === undefined) byTarget.set(target.key, { target, messages: [message] });
    else found.messages.push(message);
  }
  return [...byTarget.values()].map(({ target, messages }) => deliver(partOf(batch, messages), target));
}
