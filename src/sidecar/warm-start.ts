import {
  catchError,
  concatMap,
  defer,
  EMPTY,
  from,
  map,
  type Observable,
  of,
  scheduled,
  tap,
  toArray,
} from 'rxjs';
import type { Config } from '../config/schema.ts';
import type { Context } from '../context.ts';
import type { TraceStore } from '../correlate/store.ts';
import { errorText } from '../deliver/retry.ts';
import type { RecentQuery, Sink } from '../deliver/sink.ts';
import type { Message } from '../message.ts';

/** What is warmed, and from where. */
export interface WarmParts {
  readonly store: TraceStore;
  readonly config: Config;
  /** The open backends, by name. */
  readonly sinks: ReadonlyMap<string, Sink>;
}

/** Messages that are filed in one turn, so that live ones never wait for long. */
const CHUNK = 200;

/**
 * Files the messages of earlier runs in the store, those of files first choice, else those of a database. Emits how
 * many at each step; never errors. What comes in meanwhile is not affected: only what was received before the
 * subscription is read, and each message counts once.
 */
export function warmStart(
  { store, config, sinks }: WarmParts,
  { scheduler, log }: Pick<Context, 'scheduler' | 'log'>,
): Observable<number> {
  const { enabled, max_age, max_bytes } = config.correlation.warm_start;
  if (!enabled) return EMPTY;
  return defer(() => {
    const startMs = scheduler.now();
    const chosen = chooseFrom(config, sinks);
    const query = {
      fromMs: startMs - max_age,
      toMs: startMs,
      maxBytes: Math.floor(max_bytes / Math.max(1, chosen.length)),
    };
    let count = 0;
    return from(chosen).pipe(
      // concatMap: one at a time holds the least memory
      concatMap((one) => readOne(one, query, log)),
      toArray(),
      concatMap((read) => scheduled(chunksOf(inOrder(read.flat())), scheduler)),
      map((chunk) => {
        for (const message of chunk) store.add(message);
        count += chunk.length;
        return chunk.length;
      }),
      tap({
        complete: () => {
          if (count === 0) return;
          const { jobs, traces } = store.stats();
          const fields = { messages: count, jobs, traces, ms: scheduler.now() - startMs };
          log.info(fields, 'Jobs and traces of earlier runs are known again');
        },
      }),
    );
  });
}

type Named = readonly [name: string, sink: Sink];

/** Files are near and cost nobody else; a database is asked only where there are none. */
function chooseFrom({ backends }: Config, sinks: ReadonlyMap<string, Sink>): readonly Named[] {
  const able = [...sinks].filter(([, sink]) => sink.recent !== undefined);
  const files = able.filter(([name]) => backends[name]?.type === 'filesystem');
  return files.length > 0 ? files : able;
}

const readOne = ([backend, sink]: Named, query: RecentQuery, log: Context['log']) =>
  (sink.recent?.(query) ?? EMPTY).pipe(
    catchError((error: unknown) => {
      // Of a first start there is nothing yet.
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') {
        log.warn({ backend, error: errorText(error) }, 'What earlier runs stored cannot be read');
      }
      return of<readonly Message[]>([]);
    }),
  );

/** Each once, in order of arrival. */
const inOrder = (messages: readonly Message[]): readonly Message[] =>
  [...new Map(messages.map((message) => [message.id, message])).values()].sort(
    (a, b) => a.receivedMs - b.receivedMs,
  );

const chunksOf = (messages: readonly Message[]): readonly (readonly Message[])[] =>
  Array.from({ length: Math.ceil(messages.length / CHUNK) }, (_, nth) =>
    messages.slice(nth * CHUNK, (nth + 1) * CHUNK),
  );
