import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { asyncScheduler, mergeMap, type Observable, type SchedulerLike, Subject } from 'rxjs';
import type { Context } from '../../src/context.ts';
import type { Connection } from '../../src/ingest/connection.ts';
import { type DecodeOptions, decode } from '../../src/ingest/detect.ts';
import { type Listener, type ListenOptions, openListener } from '../../src/ingest/listen.ts';
import type { Frame, SentFrame } from '../../src/ingest/record.ts';

/** A context that remembers what was counted and logged. */
export interface Recording {
  readonly context: Context;
  readonly rejected: string[];
  readonly logged: { level: string; fields: Record<string, unknown>; message: string }[];
}

export function createRecording(scheduler: SchedulerLike = asyncScheduler): Recording {
  const rejected: string[] = [];
  const logged: Recording['logged'] = [];
  const log = (level: string) => (fields: object, message: string) => {
    logged.push({ level, fields: { ...fields }, message });
  };
  const unused = () => {
    throw new Error('ingest does not count this');
  };
  return {
    rejected,
    logged,
    context: {
      scheduler,
      random: () => 0.5,
      log: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
      counters: {
        rejected: (reason) => rejected.push(reason),
        received: unused,
        batched: unused,
        added: unused,
        operatorFailed: unused,
      },
    },
  };
}

export const OPTIONS: DecodeOptions = {
  maxFrameBytes: 1_048_576,
  frameTimeoutMs: 30_000,
  pageUrl: 'http://127.0.0.1:17001/',
};

/** What came of bytes. */
export interface Decoded {
  /** Values, parsed from the frames' texts. */
  readonly values: unknown[];
  readonly texts: string[];
  /** Values that the decoder parsed itself; `undefined` where it left that. */
  readonly parsed: unknown[];
  readonly rejected: string[];
  readonly refused: boolean;
  readonly reply: string | undefined;
  readonly completed: boolean;
}

/** The replies of a connection that nobody hears. */
export const MUTE = { say: () => {}, hold: () => {}, finish: () => {}, introduce: () => {} };

/** Decodes one connection's chunks, in real time but synchronously. */
export function decodeAll(chunks: readonly Buffer[], options: Partial<DecodeOptions> = {}): Decoded {
  const { context, rejected } = createRecording();
  const chunk$ = new Subject<Buffer>();
  const out = { refused: false, reply: undefined as string | undefined, completed: false };
  const connection: Connection = {
    id: 1,
    remote: '127.0.0.1:1',
    chunk$,
    clockMs: () => 0,
    ...MUTE,
    refuse(reply) {
      out.refused = true;
      out.reply = reply?.toString();
      chunk$.complete();
    },
  };
  const texts: string[] = [];
  const parsed: Frame['value'][] = [];
  decode(
    () => ({ ...OPTIONS, ...options }),
    context,
  )(connection).subscribe({
    // at once: the bytes of a frame are those of the next one later
    next: (frame) => {
      texts.push(textOf(frame));
      parsed.push(plainOf(frame).value);
    },
    error: (error: unknown) => {
      throw new Error('decode must not fail', { cause: error });
    },
    complete: () => {
      out.completed = true;
    },
  });
  // a copy of each: the socket's buffers are not ours to keep
  for (const chunk of chunks) chunk$.next(Buffer.from(chunk));
  chunk$.complete();
  return { texts, parsed, values: texts.map((text) => JSON.parse(text)), rejected, ...out };
}

/** The frame itself, of a session's one too. */
const plainOf = (frame: SentFrame): Frame => ('frame' in frame ? frame.frame : frame);

/** A frame's whole JSON text. */
export function textOf(sent: SentFrame): string {
  const frame = plainOf(sent);
  if (frame.head === undefined) return frame.text;
  const { head, from, to } = frame;
  return `${typeof head === 'string' ? head : head.toString('utf8', from, to)}}`;
}

/** `bytes` cut behind each of `cuts`, taken modulo its length; empty pieces are left out. */
export function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts.map((cut) => cut % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end)).filter(({ length }) => length > 0);
}

/** A canonical record, so that the scan takes it. */
export const record = (n: number) => ({
  source: 'queue-service',
  timestamp: '2025-10-20T10:30:45.123Z',
  type: 'metric',
  data: { name: 'jobs', value: n },
});

export const line = (value: unknown) => Buffer.from(`${JSON.stringify(value)}\n`);

/** A listener on 127.0.0.1 whose frames are collected; `await using` closes it. */
export interface Served extends Recording, AsyncDisposable {
  readonly listener: Listener;
  readonly port: number;
  readonly values: { data: { value: number } }[];
  readonly pause$: Subject<boolean>;
  /** Whether `connection$` and all connections have completed. */
  isOver(): boolean;
}

export async function serve(
  listen: Partial<ListenOptions> = {},
  decoding: Partial<DecodeOptions> = {},
): Promise<Served> {
  const recording = createRecording();
  const pause$ = new Subject<boolean>();
  const address = listen.address ?? { host: '127.0.0.1', port: 0 };
  const listener = await openListener(
    { maxConnections: 1_024, ...listen, address },
    pause$,
    recording.context,
  );
  const values: Served['values'] = [];
  let isOver = false;
  listener.connection$
    .pipe(mergeMap(decode(() => ({ ...OPTIONS, ...decoding }), recording.context)))
    .subscribe({ next: (frame) => values.push(JSON.parse(textOf(frame))), complete: () => (isOver = true) });
  return {
    ...recording,
    listener,
    port: Number(listener.address.split(':').at(-1)),
    values,
    pause$,
    isOver: () => isOver,
    [Symbol.asyncDispose]: () => completed(listener.drain(0)),
  };
}

/** A connected client whose errors are silent; it remembers what it received. */
export async function client(port: number): Promise<Socket & { received: () => string }> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  return remembering(socket, 'connect');
}

export async function remembering<S extends Socket>(
  socket: S,
  ready: string,
): Promise<S & { received(): string }> {
  let received = '';
  socket.setEncoding('latin1').on('data', (text: string) => {
    received += text;
  });
  socket.on('error', () => {});
  await once(socket, ready);
  return Object.assign(socket, { received: () => received });
}

/** Resolves when the server has ended `socket`, in whatever way. */
export async function gone(socket: Socket): Promise<void> {
  if (socket.readableEnded || socket.closed) return;
  await new Promise((resolve) => socket.once('end', resolve).once('close', resolve));
  socket.destroy();
}

/** Resolves when `source$` has completed. */
export function completed(source$: Observable<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    source$.subscribe({ complete: resolve, error: reject });
  });
}

/** Resolves once `condition` holds; rejects after ten seconds, with `what` was waited for. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const endMs = Date.now() + 10_000;
  while (!condition()) {
    if (Date.now() > endMs) throw new Error(`waited in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
}
