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
import { MADE } from './names.ts';
import { type Naming, nameIn } from './naming.ts';
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

/** Plays a scene in virtual time: the whole flow but its sockets. Throws `Error` if the configuration cannot run. */
export function play(scene: Scene): Recording {
  const recorder = createRecorder();
  const playing = new Subscription();
  inVirtualTime(scene.endMs === undefined ? scene.untilMs : Number.POSITIVE_INFINITY, (time) =>
    start(scene, time, recorder, playing),
  );
  playing.unsubscribe();
  return recorder;
}

/** Builds the flow, as a sidecar does around its sockets, and asks for all that the scene says to happen. */
function start(scene: Scene, time: VirtualTime, recorder: Recorder, playing: Subscription): void {
  const { scheduler, nowMs } = time;
  let naming: Naming | undefined;
  const namingOf = () => naming;
  const context: Context = {
    scheduler,
    random: scene.random,
    log: recordingLog(recorder.log),
    counters: {
      ...NO_COUNTERS,
      rejected: (reason) =>
        recorder.refused.push({ ms: nowMs(), message: naming?.current() ?? MADE, reason }),
    },
  };
  const { draft, sinks: types } = scene.config;
  const dataDir = resolve(draft.config.data_dir);
  const sinks = recordingSinks(types, sendOf(scene, time, namingOf, recorder));
  const engine = createEngine(portable(draft), { sinks, deadLetters: memoryDeadLetters(), dataDir }, context);
  const named = nameIn(engine.traces);
  naming = named;
  const reload = createReloading(draft, (next) => {
    dryRun(next, sinks, dataDir, context);
    engine.apply(next);
  });
  const clients = createClients(nowMs);
  noteBackends(engine, recorder);

  // What is asked for first happens first: a reload before the messages of its time.
  for (const { ms, name, config } of scene.reloads) {
    time.at(ms, () => {
      recorder.reloads.push({ ms, name, ...reload(config) });
      noteBackends(engine, recorder);
    });
  }
  sendMessages(scene, time, clients, named, recorder);
  run(scene, time, engine, clients, playing, recorder, named);
}
