import type { Batch } from '../batch.ts';
import type { Context } from '../context.ts';
import { outcome, type Routed } from '../deliver/outcome.ts';
import type { Message } from '../message.ts';
import type { Predicate } from './filter.ts';
import { deliveriesOf, partOf, type Route } from './routes.ts';

/** What happens to a source's batches. */
export interface Way {
  /** In order of dispatch. */
  readonly routes: readonly Route[];
  /** Backends that get nothing of the source. */
  readonly unrouted: readonly string[];
}

interface Split {
  readonly taken: Batch | undefined;
  readonly left: readonly Message[];
}

/** Sends one batch its way: a delivery or an outcome for every message and backend. */
export function dispatch(
  batch: Batch,
  way: Way,
  emit: (routed: Routed) => void,
  { counters, journal, receipts }: Pick<Context, 'counters' | 'journal' | 'receipts'>,
): void {
  receipts?.routed(batch.messages, way.unrouted.length + way.routes.length);
  for (const backend of way.unrouted) emit(outcome('filtered', backend, 'not_routed', batch.messages));
  const served = new Set<string>();
  // Rules with the same filter share its result, and so the encoded batch.
  const splits = new Map<Predicate | undefined, Split>();
  for (const route of way.routes) {
    const { backend } = route.rule;
    if (served.has(backend)) counters.added(backend, batch.messages.length);
    served.add(backend);
    const split = splits.get(route.accepts) ?? splitBy(route.accepts, batch);
    splits.set(route.accepts, split);
    if (split.left.length > 0) emit(outcome('filtered', backend, 'filter', split.left));
    if (split.taken === undefined) continue;
    journal?.note(route.match, split.taken.messages);
    if (route.chain === undefined) deliveriesOf(route, split.taken).forEach(emit);
    else route.chain.push(split.taken);
  }
}

function splitBy(accepts: Predicate | undefined, batch: Batch): Split {
  if (accepts === undefined) return { taken: batch, left: [] };
  const taken: Message[] = [];
  const left: Message[] = [];
  for (const message of batch.messages) (accepts(message) ? taken : left).push(message);
  return { taken: taken.length === 0 ? undefined : partOf(batch, taken), left };
}
