import { join, resolve } from 'node:path';
import { firstValueFrom, from, lastValueFrom, map, type Observable, race, reduce, tap, timer } from 'rxjs';
import { formatIssue } from '../config/issue.ts';
import { parseConfig } from '../config/load.ts';
import type { Config } from '../config/schema.ts';
import { config$ } from '../config/watch.ts';
import type { Context } from '../context.ts';
import { openDeadLetters } from '../deliver/dead-letters.ts';
import type { Outcome } from '../deliver/outcome.ts';
import { openSpools, type Spools } from '../deliver/spools.ts';
import { broadcastState } from '../flow/broadcast.ts';
import { createListeners, type Listeners } from '../ingest/listeners.ts';
import { openMarks } from '../ingest/session/marks.ts';
import { openSessions } from '../ingest/session/sessions.ts';
import { createJournal } from '../journal.ts';
import { createSdkDrops } from '../live/sdk-drops.ts';
import { createTaps } from '../live/taps.ts';
import { isoTime } from '../message.ts';
import { createMetrics, type Metrics } from '../metrics.ts';
import { claimFolder } from './claim.ts';
import { type Draft, type DraftOptions, draft, isSameDraft } from './draft.ts';
import { dryRun } from './dry-run.ts';
import { noteEnding } from './endings.ts';
import { createEngine, type Engine } from './engine.ts';
import { createLosses, isUnwritten } from './losses.ts';
import { rememberingReads } from './plan-edit.ts';
import { ConfigError, reload, warn } from './reload.ts';
import { journalLimits, letterBounds, listenOptions, watchSettings, webAddress } from './settings.ts';
import { laneGauge, type State } from './status.ts';
import { createViews } from './views.ts';
import { warmStart } from './warm-start.ts';
import { createWeb, pageUrlOf } from './web.ts';

export interface SidecarOptions extends DraftOptions {
  /** The configuration file. */
  readonly path: string;
  /** Its text, as it was found at the start. */
  readonly text: string;
  readonly version: string;
  /** Folder of the built web page. */
  readonly shippedUi: string;
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
  /** A link to the page that lets its reader in; `undefined` where it is off. */
  readonly link: string | undefined;
  /** Stops from the top: no new clients, reads what they sent, flushes, delivers. Resolves to what was lost. */
  close(): Promise<Loss>;
}

/** What a shutdown could not save. */
export interface Loss {
  /** Once per message and backend that it did not come to. */
  readonly messages: number;
  /** Clients whose bytes were perhaps not all read. */
  readonly cutOff: number;
}

/** Starts a sidecar. Rejects with `ConfigError`, or with an `Error` that says what cannot be opened. */
export async function startSidecar(
  given: SidecarOptions,
  surroundings: Omit<Context, 'counters'>,
): Promise<Sidecar> {
  const { path } = given;
  const { scheduler, log } = surroundings;
  const files = rememberingReads(given.readFile);
  const options = { ...given, readFile: files.read };
  const first = await draft(options.text, path, options);
  if ('errors' in first) throw new ConfigError(first.errors.map(formatIssue));
  warn(first.warnings, log);

  const metrics = createMetrics(
    { version: options.version, maxSources: first.config.limits.metric_sources },
    scheduler,
  );
  const journal = createJournal(journalLimits(first.config), scheduler);
  const dataDir = resolve(first.config.data_dir);
  const giveBack = await claimFolder(dataDir, surroundings);
  const sessions = await openSessions(
    (known) => openMarks(join(dataDir, 'sessions'), known, surroundings),
    surroundings,
  );
  const { receipts } = sessions;
  const taps = createTaps();
  const sdkDrops = createSdkDrops();
  const context: Context = { ...surroundings, counters: metrics, journal: taps.journal(journal), receipts };
  let boundsOf = (backend: string) => letterBounds(first.config, backend);
  const deadLetters = openDeadLetters(
    { dir: join(dataDir, 'dead-letters'), boundsOf: (backend) => boundsOf(backend) },
    context,
  );
  const spools = await openSpools({ dir: join(dataDir, 'spool') }, context);
  const pageUrl = () => pageUrlOf(web);
  const engine = createEngine(
    first,
    {
      sinks: options.sinks,
      deadLetters,
      spools,
      sessions,
      dataDir,
      pageUrl,
      watched: { watch$: taps.ingest$, ofSdks: sdkDrops.add },
    },
    context,
  );
  const listeners = createListeners(engine.pause$, context);
  const loaded = () => isoTime(scheduler.now());
  const state = broadcastState<State>({
    phase: 'starting',
    draft: first,
    loaded: loaded(),
    lastReload: null,
  });
  const losses = createLosses(scheduler);
  const views = createViews(
    {
      ...options,
      readFile: files.again,
      dataDir,
      state: state.get,
      engine,
      spools,
      losses,
      listeners,
      metrics,
      journal,
      taps,
      sdkDrops,
      absentSince: sessions.absence.since,
    },
    context,
  );
  const web = createWeb(views.sources, dataDir, options.shippedUi, context);
  watchGauges(metrics, engine, spools, listeners);
  const flow = startFlow(engine, spools, listeners, [metrics.outcome, losses.note], context);

  /** Opens what is to listen, or leaves it as it was `before`. */
  const open = async ({ config }: Draft, before = config) => {
    await listeners.apply(listenOptions(config));
    try {
      await web.apply(webAddress(config));
    } catch (error) {
      await listeners.apply(listenOptions(before));
      throw error;
    }
  };
  const apply = async (next: Draft) => {
    dryRun(next, options.sinks, dataDir, context);
    await open(next, state.get().draft.config);
    engine.apply(next);
    boundsOf = (backend) => letterBounds(next.config, backend);
    journal.setLimits(journalLimits(next.config));
    metrics.planned(engine.plan().backends);
    state.set({ ...state.get(), draft: next, loaded: loaded() });
  };
  const stop = async (withinMs: number) => {
    const lost = await flow.end(withinMs);
    await tidied(sessions.close());
    views.end();
    await web.close();
    deadLetters.close().subscribe();
    metrics.close();
    await tidied(giveBack());
    return lost;
  };
  const tidied = (done: Promise<void>) =>
    firstValueFrom(race(from(done), timer(MAX_TIDY_MS, scheduler)), { defaultValue: undefined });

  try {
    await open(first);
  } catch (error) {
    await stop(0);
    throw error;
  }
  const watching = watchConfig(options, apply, engine, () => state.get().draft, context).subscribe((last) => {
    if (last.result !== 'unchanged') metrics.reloaded(last.result);
    views.reloaded(last);
    const { time, result, errors } = last;
    state.set({ ...state.get(), lastReload: { time, result, errors } });
  });
  state.set({ ...state.get(), phase: 'running' });
  let restored = 0;
  metrics.watch({ restored: () => restored });
  const warming = warmStart(
    { store: engine.traces, config: first.config, sinks: engine.sinks() },
    context,
  ).subscribe((messages) => {
    restored += messages;
  });

  return {
    config: first.config,
    listening: listeners.addresses(),
    http: web.address(),
    link: web.link(),
    close: () => {
      state.set({ ...state.get(), phase: 'stopping' });
      watching.unsubscribe();
      warming.unsubscribe();
      return stop(state.get().draft.config.shutdown.deadline);
    },
  };
}

/** The lanes' share of the time that a shutdown has, and what saving to disk gets at least. */
const LANES_SHARE = 0.8;
const MIN_SAVE_MS = 1000;
/** Of a disk that hangs no more is waited for: marks that are not saved cost records that come twice, with their ids. */
const MAX_TIDY_MS = 1000;

function watchGauges(
  metrics: Metrics,
  { lanes, held, traces, aggregation, plan }: Engine,
  spools: Spools,
  { connections }: Listeners,
): void {
  metrics.watch({
    lanes: () => [...lanes.stats()].map(([backend, stats]) => laneGauge(backend, stats)),
    spools: spools.stats,
    held,
    connections,
    memory: traces.stats,
    series: () => ({ ...aggregation.stats(), all: aggregation.series() }),
  });
  metrics.planned(plan().backends);
}

/** Runs the flow. `end` drains it from the top, within a deadline for all of it, and resolves to what was lost. */
function startFlow(
  engine: Engine,
  spools: Spools,
  listeners: Listeners,
  counting: readonly ((outcome: Outcome) => void)[],
  { scheduler, journal }: Context,
) {
  let deadlineMs = Number.POSITIVE_INFINITY;
  let lost = 0;
  const leftMs = () => Math.max(0, deadlineMs - scheduler.now());
  const count = (outcome: Outcome) => {
    for (const note of counting) note(outcome);
    noteEnding(journal, outcome);
    const { ending, reason, messages } = outcome;
    const isStopping = deadlineMs !== Number.POSITIVE_INFINITY;
    const isShed = ending === 'shed' && (reason === 'shutdown' || (isStopping && reason === 'spool_failed'));
    if (isShed || (isStopping && ending === 'dead_lettered' && isUnwritten(reason))) lost += messages.length;
  };
  // What is left after the lanes is for bringing to disk what they could not deliver.
  const flow$ = engine.run(listeners.connection$, () => leftMs() * LANES_SHARE).pipe(tap(count));
  const ended = lastValueFrom(flow$, { defaultValue: undefined });
  return {
    async end(withinMs: number): Promise<Loss> {
      deadlineMs = scheduler.now() + withinMs;
      engine.lanes.unblock();
      // Clients who go on sending must not use up the time that delivery needs.
      const drained$ = listeners.drain(withinMs / 2).pipe(reduce((sum, clients) => sum + clients, 0));
      const cutOff = await lastValueFrom(drained$);
      await ended;
      lost += await spools.close(Math.max(leftMs(), MIN_SAVE_MS));
      return { messages: lost, cutOff };
    },
  };
}

/** Puts every change of the configuration file and of the operators into force. */
function watchConfig(
  options: SidecarOptions,
  apply: (draft: Draft) => Promise<void>,
  engine: Engine,
  inForce: () => Draft,
  context: Context,
) {
  const { path, reload$ } = options;
  const reading$ = config$(
    path,
    {
      reload$,
      settings$: engine.config$.pipe(map((config) => watchSettings(config, path))),
      isWhole: (text) => !('errors' in parseConfig(text, path, options)),
    },
    context,
  );
  return reload(reading$, { ...options, apply, isNew: (next) => !isSameDraft(next, inForce()) }, context);
}
