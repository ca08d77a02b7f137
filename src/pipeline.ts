import { mergeMap, type Observable } from 'rxjs';
import { aggregate, type Render } from './aggregate/aggregate.ts';
import type { Aggregation, AggregationOptions } from './aggregate/aggregation.ts';
import { type Batch, batch } from './batch.ts';
import type { Context } from './context.ts';
import { correlate, type Watched } from './correlate/correlate.ts';
import type { TraceStore } from './correlate/store.ts';
import { deliver } from './deliver/deliver.ts';
import type { Lanes } from './deliver/lanes.ts';
import type { Outcome, Routed } from './deliver/outcome.ts';
import type { BatchLimits } from './flow/batch-by-key.ts';
import { drainingSwitchMap } from './flow/draining-switch-map.ts';
import type { Connection } from './ingest/connection.ts';
import { type DecodeOptions, decode } from './ingest/detect.ts';
import { type NormaliseOptions, normalise } from './ingest/normalise.ts';
import type { Sessions } from './ingest/session/sessions.ts';
import type { Message } from './message.ts';

/** What the flow is made of. Settings are streams that emit on subscription and again after every reload, or
 * functions where the one in force at the moment will do. */
export interface Flow {
  /** Clients; each is a stream of bytes. Its completion is the shutdown. */
  readonly connection$: Observable<Connection>;
  readonly decode: () => DecodeOptions;
  /** Absent where no client may begin one. */
  readonly sessions?: Sessions | undefined;
  readonly normalise$: Observable<NormaliseOptions>;
  readonly batch$: Observable<BatchLimits<Message>>;
  readonly plan$: Observable<RunnablePlan>;
  readonly traces: TraceStore;
  /** Who looks at what comes in; absent: nobody. */
  readonly watched?: Watched | undefined;
  readonly aggregation: Aggregation;
  readonly aggregation$: Observable<AggregationOptions>;
  /** Makes records of finished windows. */
  readonly render: Render;
  readonly lanes: Lanes;
  /** How long the operators of replaced rules may hold on to messages. */
  readonly drainMs: () => number;
  /** How long the lanes may take to deliver what they hold, once the input has ended. */
  readonly closeMs: () => number;
}

/** What routing needs of a plan. */
export interface RunnablePlan {
  run(batch$: Observable<Batch>): Observable<Routed>;
}

/**
 * The product: from sockets to what became of every message. Subscribed once; it never errors, and completes after
 * `connection$` has, once everything is delivered, dead-lettered or shed.
 */
export const pipeline = (flow: Flow, context: Context): Observable<Outcome> =>
  flow.connection$.pipe(
    // mergeMap: clients are independent of each other
    mergeMap(decode(flow.decode, context, flow.sessions, () => flow.aggregation.options().enabled)),
    normalise(flow.normalise$, context),
    correlate(flow.traces, flow.watched),
    aggregate(flow.aggregation, flow.aggregation$, flow.render, context),
    batch(flow.batch$, context, flow.sessions?.hurry$),
    drainingSwitchMap(flow.plan$, (plan, batch$) => plan.run(batch$), {
      drainMs: flow.drainMs,
      scheduler: context.scheduler,
    }),
    deliver(flow.lanes, flow.closeMs),
  );
