import { join, resolve } from 'node:path';
import { lastValueFrom, map, type Observable, tap } from 'rxjs';
import { formatIssue } from '../config/issue.ts';
import type { Config } from '../config/schema.ts';
import { config$ } from '../config/watch.ts';
import type { Context } from '../context.ts';
import { createTraces } from '../correlate/traces.ts';
import { openDeadLetters } from '../deliver/dead-letters.ts';
import type { Outcome } from '../deliver/outcome.ts';
import { broadcastState } from '../flow/broadcast.ts';
import { createListeners } from '../ingest/listeners.ts';
import { isoTime } from '../message.ts';
import { createMetrics } from '../metrics.ts';
import { type Draft, type DraftOptions, draft, isSameDraft } from './draft.ts';
import { dryRun } from './dry-run.ts';
import { createEngine } from './engine.ts';
import { ConfigError, reload, warn } from './reload.ts';
import { deadLetterBytes, listenOptions, watchSettings, webAddress } from './settings.ts';
import { configView, laneGauge, readiness, type State } from './status.ts';
import { createWeb } from './web.ts';

export interface SidecarOptions extends DraftOptions {
  /** The configuration file. */
  readonly path: string;
  /** Its text, as it was found at the start. */
  readonly text: string;
  readonly version: string;
  /** Emits when the configuration is to be read again, changed or not (SIGHUP). */
  readonly reload$: Observable<unknown>;
}

/** A sidecar that takes messages. */
export interface Sidecar {
  readonly config: Config;
  /** What is really bound: `host:port` or a socket's path. */
  readonly listening: readonly string[];
  /** `http://host:port`; `undefined` where it is off. */
  readonly http: string | undefined;
  /** Stops from the top: no new clients, reads what they sent, flushes, delivers. Resolves to what was lost. */
  close(): Promise<Loss>;
}

/** What a shutdown could not bring to its backend, once per message and backend. */
export interface Loss {
  readonly messages: number;
}

/** Starts a sidecar. Rejects with `ConfigError`, or with an `Error` that says what cannot be opened. */
export async function startSidecar(
  options: SidecarOptions,
  surroundings: Omit<Context, 'counters'>,
): Promise<Sidecar> {
  const { scheduler, log } = surroundings;
  const first = await draft(options.text, options.path, options);
  if ('errors' in first) throw new ConfigError(first.errors.map(formatIssue));
  warn(first.warnings, log);

  const metrics = createMetrics(
    { version: options.version, maxSources: first.config.limits.metric_sources },
    scheduler,
  );
  const context: Context = { ...surroundings, counters: metrics };
  const dataDir = resolve(first.config.data_dir);
  const deadLetters = openDeadLetters(
    { dir: join(dataDir, 'dead-letters'), maxBytes: deadLetterBytes(first.config) },
    context,
  );
  const engine = createEngine(first, { sinks: options.sinks, deadLetters, dataDir }, context);
  const listeners = createListeners(engine.pause$, context);
  const state = broadcastState<State>({
    phase: 'starting',
    draft: first,
    loaded: isoTime(scheduler.now()),
    lastReload: null,
  });
  const web = createWeb(
    {
      ready: () => readiness(state.get(), engine.lanes.stats(), listeners.exposed()),
      metrics,
      traces: createTraces(engine.traces, scheduler),
      config: () => configView(options.path, state.get()),
    },
    context,
  );
  metrics.watch({
    lanes: () => [...engine.lanes.stats()].map(([backend, stats]) => laneGauge(backend, stats)),
    held: engine.held,
    connections: listeners.connections,
    memory: engine.traces.stats,
  });
  metrics.planned(engine.plan().backends);

  let deadlineMs = Number.POSITIVE_INFINITY;
  const leftMs = () => Math.max(0, deadlineMs - scheduler.now());
  let lost = 0;
  const count = (outcome: Outcome) => {
    metrics.outcome(outcome);
    if (outcome.ending === 'shed' && outcome.reason === 'shutdown') lost += outcome.messages.length;
  };
  const flow = lastValueFrom(engine.run(listeners.connection$, leftMs).pipe(tap(count)), {
    defaultValue: undefined,
  });

  const open = async ({ config }: Draft) => {
    await listeners.apply(listenOptions(config));
    await web.apply(webAddress(config));
  };
  const apply = async (next: Draft) => {
    dryRun(next, options.sinks, dataDir, context);
    await open(next);
    engine.apply(next);
    metrics.planned(engine.plan().backends);
    state.set({ ...state.get(), draft: next, loaded: isoTime(scheduler.now()) });
  };
  const stop = async (withinMs: number) => {
    deadlineMs = scheduler.now() + withinMs;
    await lastValueFrom(listeners.drain(withinMs), { defaultValue: undefined });
    await flow;
    await web.close();
    metrics.close();
  };

  try {
    await open(first);
  } catch (error) {
    await stop(0);
    throw error;
  }
  const watching = reload(
    config$(
      options.path,
      {
        reload$: options.reload$,
        settings$: engine.config$.pipe(map((config) => watchSettings(config, options.path))),
      },
      context,
    ),
    { ...options, apply, isNew: (next) => !isSameDraft(next, state.get().draft) },
    context,
  ).subscribe((last) => {
    if (last.result !== 'unchanged') metrics.reloaded(last.result);
    state.set({ ...state.get(), lastReload: last });
  });
  state.set({ ...state.get(), phase: 'running' });

  return {
    config: first.config,
    listening: listeners.addresses(),
    http: web.address(),
    async close() {
      state.set({ ...state.get(), phase: 'stopping' });
      watching.unsubscribe();
      await stop(state.get().draft.config.shutdown.deadline);
      return { messages: lost };
    },
  };
}
