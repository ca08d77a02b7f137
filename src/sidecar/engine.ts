import { defer, finalize, map, type Observable } from 'rxjs';
import type { BackendConfig, Config } from '../config/schema.ts';
import type { Context } from '../context.ts';
import { createTraceStore, type TraceStore } from '../correlate/store.ts';
import type { DeadLetters } from '../deliver/dead-letters.ts';
import { type Lanes, openLanes } from '../deliver/lanes.ts';
import type { Outcome } from '../deliver/outcome.ts';
import type { SinkDefinition } from '../deliver/sink.ts';
import { broadcastState } from '../flow/broadcast.ts';
import type { Connection } from '../ingest/connection.ts';
import { pipeline } from '../pipeline.ts';
import { compile, type Plan } from '../route/plan.ts';
import type { Draft } from './draft.ts';
import { openSink, usedBackends } from './dry-run.ts';
import { batchLimits, decodeOptions, laneOptions, normaliseOptions, storeLimits } from './settings.ts';

export interface EngineOptions {
  readonly sinks: ReadonlyMap<string, SinkDefinition>;
  readonly deadLetters: DeadLetters;
  /** Absolute folder for the sidecar's own state. */
  readonly dataDir: string;
}

/** The flow without its sockets: everything that a reload keeps, and the plan that it replaces. */
export interface Engine {
  readonly lanes: Lanes;
  readonly traces: TraceStore;
  /** True while a backend's bound asks the clients to wait. */
  readonly pause$: Observable<boolean>;
  /** The configuration in force, now and after every change. */
  readonly config$: Observable<Config>;
  plan(): Plan;
  /** Messages that operators hold, by backend; those of replaced plans included. */
  held(): ReadonlyMap<string, number>;
  /** Puts a configuration into force. What the edit did not touch goes on undisturbed. */
  apply(draft: Draft): void;
  /**
   * Runs the flow; subscribe once. Completes after `connection$` has and everything has its outcome, for which the
   * lanes get `closeMs()`.
   */
  run(connection$: Observable<Connection>, closeMs: () => number): Observable<Outcome>;
}

/** Opens the backends of `first` and compiles it; throws `Error` if it cannot run. */
export function createEngine(first: Draft, options: EngineOptions, context: Context): Engine {
  const { sinks: definitions, deadLetters, dataDir } = options;
  const lanes = openLanes({ ...context, deadLetters });
  const traces = createTraceStore(storeLimits(first.config));

  const open = (backend: string, section: BackendConfig) =>
    openSink(backend, section, definitions, { ...context, backend, dataDir });
  const bind = (draft: Draft, previous: Plan | undefined): Plan => {
    const wanted = new Map(
      usedBackends(draft.config).map(([backend, section]) => [
        backend,
        {
          fingerprint: JSON.stringify(section),
          open: () => ({
            sink: open(backend, section),
            options: laneOptions(section, draft.config, draft.hash),
          }),
        },
      ]),
    );
    const sinks = lanes.reconcile(wanted);
    return compile(draft.config, { ...draft, sinks, previous }, context);
  };

  const inForce = broadcastState(bind(first, undefined));
  const running = new Set<Plan>();
  const plan$ = inForce.value$;
  const setting$ = <T>(of: (config: Config) => T) => plan$.pipe(map(({ config }) => of(config)));

  return {
    lanes,
    traces,
    pause$: lanes.full$,
    config$: setting$((config) => config),
    plan: inForce.get,
    held: () => sum([...running].map((plan) => plan.held())),
    apply(draft) {
      traces.setLimits(storeLimits(draft.config));
      inForce.set(bind(draft, inForce.get()));
    },
    run: (connection$, closeMs) =>
      pipeline(
        {
          connection$,
          decode: () => decodeOptions(inForce.get().config),
          normalise$: setting$(normaliseOptions),
          batch$: setting$(batchLimits),
          plan$: plan$.pipe(map((plan) => ({ run: (batch$) => whileIn(running, plan, plan.run(batch$)) }))),
          traces,
          lanes,
          drainMs: () => 2 * inForce.get().config.reload.drain,
          closeMs,
        },
        context,
      ),
  };
}

/** `stream$`, with `member` in `set` for as long as it runs. */
const whileIn = <M, T>(set: Set<M>, member: M, stream$: Observable<T>): Observable<T> =>
  defer(() => {
    set.add(member);
    return stream$.pipe(finalize(() => set.delete(member)));
  });

function sum(counts: readonly ReadonlyMap<string, number>[]): ReadonlyMap<string, number> {
  const sums = new Map<string, number>();
  for (const each of counts) for (const [key, count] of each) sums.set(key, (sums.get(key) ?? 0) + count);
  return sums;
}
