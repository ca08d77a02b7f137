import { createWindows } from '../aggregate/windows.ts';
import type { Context } from '../context.ts';
import type { AbsentSince } from '../correlate/state.ts';
import { createTraces } from '../correlate/traces.ts';
import type { Spools } from '../deliver/spools.ts';
import type { HttpSources } from '../http/sources.ts';
import type { Listeners } from '../ingest/listeners.ts';
import type { ReadableJournal } from '../journal.ts';
import { createRedaction } from '../live/redaction.ts';
import type { SdkDrops } from '../live/sdk-drops.ts';
import type { Taps } from '../live/taps.ts';
import type { Metrics } from '../metrics.ts';
import type { Engine } from './engine.ts';
import { createHealth } from './health.ts';
import { createHistory } from './history.ts';
import { createLive } from './live.ts';
import type { Losses } from './losses.ts';
import { createWhole } from './past.ts';
import { type PlanOptions, planEdit } from './plan-edit.ts';
import type { Reloaded } from './reload.ts';
import { configView, readiness, type State } from './status.ts';

/** What the views look at. */
export interface ViewParts extends Omit<PlanOptions, 'inForce' | 'messages'> {
  /** Of the configuration that the sidecar started with. */
  readonly text: string;
  readonly version: string;
  readonly state: () => State;
  readonly engine: Engine;
  readonly spools: Spools;
  readonly losses: Losses;
  readonly listeners: Listeners;
  readonly metrics: Metrics;
  readonly journal: ReadableJournal;
  readonly taps: Taps;
  readonly sdkDrops: SdkDrops;
  readonly absentSince: AbsentSince;
}

/** Everything that the HTTP side shows. */
export interface Views {
  readonly sources: HttpSources;
  /** A reading of the configuration was put into force, or not. */
  reloaded(reloaded: Reloaded): void;
  /** Ends the streams and the clock of the rates. */
  end(): void;
}

/** Looks, and changes nothing. */
export function createViews(parts: ViewParts, context: Context): Views {
  const { path, dataDir, state, engine, spools, listeners, metrics, journal, taps, sdkDrops } = parts;
  const { scheduler } = context;
  const { loaded, draft } = state();
  const first = { time: loaded, result: 'applied' as const, hash: draft.hash, errors: [], problems: [] };
  const history = createHistory({ ...first, text: parts.text }, path);
  const traces = createTraces(engine.traces, scheduler, parts.absentSince);
  const whole = createWhole(
    {
      store: engine.traces,
      traces,
      stored: () => [...engine.sinks().values()].flatMap((sink) => sink.stored ?? []),
      absentSince: parts.absentSince,
    },
    context,
  );
  const ready = () =>
    readiness(state(), engine.lanes.stats(), listeners.exposed(), spools.stats(), parts.losses.recent());
  const config = () =>
    configView(state(), {
      file: path,
      data_dir: dataDir,
      listening: listeners.addresses(),
      history: history.entries(),
    });
  const { overview, health, close } = createHealth(
    {
      version: parts.version,
      metrics,
      traces,
      state,
      lanes: engine.lanes.stats,
      spools: spools.stats,
      listening: listeners.addresses,
      sdks: listeners.sdks,
      bytesRead: listeners.bytesRead,
      sdkDropped: sdkDrops.total,
      ready,
    },
    scheduler,
  );
  let redact = createRedaction(draft.config.http.redact);
  const redaction = engine.config$.subscribe(({ http }) => {
    redact = createRedaction(http.redact);
  });
  const live = createLive(
    {
      overview,
      health,
      config,
      traces,
      journal,
      unreadSince: parts.losses.unreadSince,
      taps,
      redact: () => redact,
    },
    scheduler,
  );
  const planOptions = { ...parts, inForce: () => state().draft, messages: journal.messages };
  return {
    sources: {
      ...live,
      nowMs: () => scheduler.now(),
      ready,
      metrics,
      traces,
      whole,
      windows: createWindows(engine.aggregation),
      overview,
      health,
      config,
      plan: (text) => planEdit(text, planOptions, context),
    },
    reloaded: history.add,
    end: () => {
      live.streams.end();
      redaction.unsubscribe();
      close();
    },
  };
}
