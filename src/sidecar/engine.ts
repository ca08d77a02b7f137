import { defer, finalize, map, type Observable } from 'rxjs';
import { type Aggregation, createAggregation } from '../aggregate/aggregation.ts';
import { createRender } from '../aggregate/record.ts';
import type { BackendConfig, Config } from '../config/schema.ts';
import type { Context } from '../context.ts';
import type { Watched } from '../correlate/correlate.ts';
import { createTraceStore, type TraceStore } from '../correlate/store.ts';
import type { DeadLetters } from '../deliver/dead-letters.ts';
import { type LaneSpec, type Lanes, openLanes } from '../deliver/lanes.ts';
import type { Outcome } from '../deliver/outcome.ts';
import type { Sink, SinkDefinition } from '../deliver/sink.ts';
import type { Spools } from '../deliver/spools.ts';
import { broadcastState } from '../flow/broadcast.ts';
import type { Connection } from '../ingest/connection.ts';
import { createIds } from '../ingest/ids.ts';
import type { Sessions } from '../ingest/session/sessions.ts';
import { pipeline } from '../pipeline.ts';
import { compile, type Plan } from '../route/plan.ts';
import type { Draft } from './draft.ts';
import { openSink, usedBackends } from './dry-run.ts';
import {
  aggregationOptions,
  batchLimits,
  blockingBackends,
  compileCritical,
  decodeOptions,
  laneOptions,
  normaliseOptions,
  spoolUse,
  storeLimits,
} from './settings.ts';

export interface EngineOptions {
  readonly sinks: ReadonlyMap<string, SinkDefinition>;
  readonly deadLetters: DeadLetters;
  /** Where what cannot be delivered yet is kept; absent: nowhere. */
  readonly spools?: Spools | undefined;
  /** Absent where no client may begin one. */
  readonly sessions?: Sessions | undefined;
  /** Absolute folder for the sidecar's own state. */
  readonly dataDir: string;
  /** Where the web page is at the moment; '' if there is none. */
  readonly pageUrl?: () => string;
  /** Who looks at what comes in; absent: nobody. */
  readonly watched?: Watched;
}

/** The flow without its sockets: everything that a reload keeps, and the plan that it replaces. */
export interface Engine {
  readonly lanes: Lanes;
  readonly traces: TraceStore;
  readonly aggregation: Aggregation;
  /** True while a backend's bound asks the clients to wait. */
  readonly pause$: Observable<boolean>;
  /** The configuration in force, now and after every change. */
  readonly config$: Observable<Config>;
  plan(): Plan;
  /** The open backends, by name. */
  sinks(): ReadonlyMap<string, Sink>;
  /** Messages that operators hold, by backend; those of replaced plans included. */
  held(): ReadonlyMap<string, number>;
  /**
   * Puts a configuration into force. What the edit did not touch goes on undisturbed; a backend that it removed
   * takes what replaced operators still let out. Throws `Error`, the one before still in force, if it cannot run.
   */
  apply(draft: Draft): void;
  /**
   * Runs the flow; subscribe once. Completes after `connection$` has and everything has its outcome, for which the
   * lanes get `closeMs()`.
   */
  run(connection$: Observable<Connection>, closeMs: () => number): Observable<Outcome>;
}

/** What lanes a configuration sends to, by backend. */
type Specs = ReadonlyMap<string, LaneSpec>;

/** Opens the backends of `first` and compiles it; throws `Error` if it cannot run. */
export function createEngine(first: Draft, options: EngineOptions, context: Context): Engine {
  const { sinks: definitions, deadLetters, spools, sessions, dataDir, pageUrl, watched } = options;
  const lanes = openLanes({ ...context, deadLetters }, { spools });
  const traces = createTraceStore(storeLimits(first.config));
  const aggregation = createAggregation(aggregationOptions(first.config));
  const ids = createIds(context.random);

  const open = (backend: string, section: BackendConfig) =>
    openSink(backend, section, definitions, { ...context, backend, dataDir });
  let isCritical = compileCritical(first.config.critical);
  let blocking = blockingBackends(first.config);
  const specsOf = ({ config, hash }: Pick<Draft, 'config' | 'hash'>): Specs =>
    new Map(
      usedBackends(config).map(([backend, section]) => [
        backend,
        {
          fingerprint: JSON.stringify(section),
          open: () => ({
            sink: open(backend, section),
            // Not part of the fingerprint: what is critical, and what rules say, may change under a lane that stays.
            options: laneOptions(
              section,
              hash,
              (message) => isCritical(message),
              () => blocking.has(backend),
            ),
            spool: spoolUse(section),
          }),
        },
      ]),
    );

  /** Plans that run, the replaced ones that drain included, oldest first, with the lanes that each sends to. */
  const running = new Map<Plan, Specs>();
  let opened: Specs = new Map();
  let openSinks: ReadonlyMap<string, Sink> = new Map();
  /** Opens what is wanted and closes what nobody sends to any more. */
  const reconcile = (wanted: Specs) => {
    const used = new Set([...running.values()].flatMap((specs) => [...specs.keys()]));
    const specs = new Map([...[...opened].filter(([backend]) => used.has(backend)), ...wanted]);
    openSinks = lanes.reconcile(specs);
    opened = specs;
    return openSinks;
  };
  const bind = (draft: Draft, previous: Plan | undefined): Plan => {
    const before = opened;
    const sinks = reconcile(specsOf(draft));
    try {
      return compile(draft.config, { ...draft, sinks, previous }, context);
    } catch (error) {
      opened = before;
      openSinks = lanes.reconcile(before);
      throw error;
    }
  };

  const inForce = broadcastState(bind(first, undefined));
  const plan$ = inForce.value$;
  /** Keeps the lanes of a plan for as long as it runs. */
  const track = <T>(plan: Plan, routed$: Observable<T>): Observable<T> =>
    defer(() => {
      running.set(plan, specsOf(plan));
      return routed$.pipe(
        finalize(() => {
          running.delete(plan);
          reconcile(specsOf(inForce.get()));
        }),
      );
    });
  const setting$ = <T>(of: (config: Config) => T) => plan$.pipe(map(({ config }) => of(config)));

  return {
    lanes,
    traces,
    aggregation,
    pause$: lanes.full$,
    config$: setting$((config) => config),
    plan: inForce.get,
    sinks: () => openSinks,
    held: () => sum([...running.keys()].map((plan) => plan.held())),
    apply(draft) {
      const plan = bind(draft, inForce.get());
      traces.setLimits(storeLimits(draft.config));
      isCritical = compileCritical(draft.config.critical);
      blocking = blockingBackends(draft.config);
      inForce.set(plan);
      lanes.review();
    },
    run: (connection$, closeMs) =>
      pipeline(
        {
          connection$,
          sessions,
          decode: () => decodeOptions(inForce.get().config, pageUrl?.()),
          normalise$: setting$(normaliseOptions),
          batch$: setting$(batchLimits),
          plan$: plan$.pipe(map((plan) => ({ run: (batch$) => track(plan, plan.run(batch$)) }))),
          traces,
          watched,
          aggregation,
          aggregation$: setting$(aggregationOptions),
          render: createRender(ids.next, context),
          lanes,
          drainMs: () => 2 * inForce.get().config.reload.drain,
          closeMs,
        },
        context,
      ),
  };
}

function sum(counts: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const each of counts) for (const [key, count] of each) sums.set(key, (sums.get(key) ?? 0) + count);
  return sums;
}
