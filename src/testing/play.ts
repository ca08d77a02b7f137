import { resolve } from 'node:path';
import { Subscription } from 'rxjs';
import { type Context, NO_COUNTERS } from '../context.ts';
import { memoryDeadLetters } from '../deliver/dead-letters.ts';
import type { Outcome } from '../deliver/outcome.ts';
import { isoTime, type JsonObject } from '../message.ts';
import { dryRun } from '../sidecar/dry-run.ts';
import { createEngine, type Engine } from '../sidecar/engine.ts';
import { answering, answerOf, type Backend, WELL } from './behaviour.ts';
import { type Clients, createClients } from './clients.ts';
import type { LoadedConfig } from './load-config.ts';
import { createNaming, type Naming } from './naming.ts';
import { createRecorder, type Recorder, type Recording, recordingLog } from './recording.ts';
import { recordingSinks, type Send } from './recording-sinks.ts';
import { createReloading, portable } from './reloading.ts';
import { inVirtualTime, START_MS, type VirtualTime } from './virtual-time.ts';

/** A test without its expectations. Times are milliseconds since the start. */
export interface Scene {
  readonly config: LoadedConfig;
  readonly messages: readonly { readonly ms: number; readonly name: string; readonly record: JsonObject }[];
  /** An `Error` is a configuration that cannot be read. */
  readonly reloads: readonly {
    readonly ms: number;
    readonly name: string;
    readonly config: LoadedConfig | Error;
  }[];
  /** Backends that are not well. */
  readonly backends: ReadonlyMap<string, Backend>;
  /** When the sidecar is shut down; `undefined`: not at all, and the test is over at `untilMs`. */
  readonly endMs: number | undefined;
  readonly untilMs: number;
  readonly random: () => number;
}

/** What a run's parts share. */
interface Stage {
  readonly scene: Scene;
  readonly time: VirtualTime;
  readonly naming: Naming;
  readonly recorder: Recorder;
}

/** Plays a scene in virtual time: the whole flow but its sockets. Throws `Error` if the configuration cannot run. */
export function play(scene: Scene): Recording {
  const recorder = createRecorder();
  const playing = new Subscription();
  inVirtualTime(scene.endMs === undefined ? scene.untilMs : Number.POSITIVE_INFINITY, (time) =>
    playing.add(start({ scene, time, naming: createNaming(), recorder })),
  );
  playing.unsubscribe();
  return recorder;
}

/** Builds the flow, as a sidecar does around its sockets, and asks for all that the scene wants to happen. */
function start(stage: Stage): Subscription {
  const { scene, time, naming, recorder } = stage;
  const { draft, sinks: types } = scene.config;
  const context = contextOf(stage);
  const sinks = recordingSinks(types, sendOf(stage));
  const dataDir = resolve(draft.config.data_dir);
  const engine = createEngine(portable(draft), { sinks, deadLetters: memoryDeadLetters(), dataDir }, context);
  naming.watch(engine.traces);
  noteBackends(engine, recorder);

  const clients = createClients(time.nowMs);
  const reload = createReloading(draft, (next) => {
    dryRun(next, sinks, dataDir, context);
    engine.apply(next);
  });
  // Of one time, what is asked for first happens first.
  for (const { ms, name, config } of scene.reloads) {
    time.at(ms, () => {
      recorder.reloads.push({ ms, name, ...reload(config) });
      noteBackends(engine, recorder);
    });
  }
  for (const message of scene.messages) time.at(message.ms, () => send(message, stage, clients));
  return run(engine, clients, stage);
}

/** Runs the flow until its clients have closed, which they do at the scene's end. */
function run(engine: Engine, clients: Clients, stage: Stage): Subscription {
  const { scene, time, recorder } = stage;
  const { scheduler } = time;
  let deadlineMs = 0;
  if (scene.endMs !== undefined) {
    time.at(scene.endMs, () => {
      deadlineMs = scheduler.now() + engine.plan().config.shutdown.deadline;
      clients.end();
    });
  }
  const running = new Subscription();
  running.add(engine.pause$.subscribe(clients.pause));
  running.add(
    engine
      .run(clients.connection$, () => Math.max(0, deadlineMs - scheduler.now()))
      .subscribe({
        next: (outcome) => noteOutcome(outcome, stage),
        complete: () => {
          recorder.doneMs = time.nowMs();
          time.end();
        },
      }),
  );
  return running;
}

function contextOf({ scene, time, naming, recorder }: Stage): Context {
  const rejected = (reason: string) =>
    recorder.refused.push({ ms: time.nowMs(), message: naming.current(), reason });
  return {
    scheduler: time.scheduler,
    random: scene.random,
    log: recordingLog(recorder.log),
    counters: { ...NO_COUNTERS, rejected },
  };
}

function send({ ms, name, record }: Scene['messages'][number], stage: Stage, clients: Clients): void {
  const { time, naming, recorder } = stage;
  const line = JSON.stringify({ timestamp: isoTime(START_MS + ms), ...record });
  clients.send(String(record.source), line, () => {
    naming.set(name);
    recorder.received.push({ ms: time.nowMs(), message: name });
  });
}

function sendOf({ scene, time, naming, recorder }: Stage): Send {
  const sends = new Map<string, number>();
  return (name, batch, target) => {
    const backend = scene.backends.get(name) ?? WELL;
    const nth = sends.get(name) ?? 0;
    sends.set(name, nth + 1);
    const messages = naming.of(batch.messages);
    recorder.sent.push({ ms: time.nowMs(), backend: name, target: target.key, messages });
    return answering(answerOf(backend, nth, time.nowMs(), messages), backend.throttleMs, time.scheduler);
  };
}

/** What became of messages of one time for one reason is one record, in however many pieces it came. */
function noteOutcome(
  { ending, backend, reason, messages }: Outcome,
  { time, naming, recorder }: Stage,
): void {
  const { ended } = recorder;
  const ms = time.nowMs();
  const names = naming.of(messages);
  for (let at = ended.length - 1; at >= 0 && ended[at]?.ms === ms; at--) {
    const last = ended[at];
    if (last?.ending !== ending || last.backend !== backend || last.reason !== reason) continue;
    ended[at] = { ...last, messages: [...last.messages, ...names] };
    return;
  }
  ended.push({ ms, backend, ending, reason, messages: names });
}

function noteBackends(engine: Engine, { backends }: Recorder): void {
  for (const backend of engine.plan().backends) if (!backends.includes(backend)) backends.push(backend);
}
