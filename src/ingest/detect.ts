import { Observable, type SchedulerLike, type Subscriber, Subscription, type Unsubscribable } from 'rxjs';
import type { Context } from '../context.ts';
import { type BadLines, createBadLines } from './bad-lines.ts';
import type { Codec, CodecDefinition, CodecIo } from './codec.ts';
import { codec as framed } from './codecs/framed.ts';
import { codec as msgpack } from './codecs/msgpack.ts';
import { codec as ndjson } from './codecs/ndjson.ts';
import type { Connection } from './connection.ts';
import { isBlank } from './json.ts';
import { createPatience, type Patience } from './patience.ts';
import type { Frame, SentFrame } from './record.ts';
import { type Reject, type Rejection, rejectionsOf } from './rejections.ts';
import { createScan, type Scan } from './scan.ts';
import type { Sessions } from './session/sessions.ts';
import { createTalk, type Talk } from './session/talk.ts';

/** Every framing, each of a file in `codecs/`. */
export const CODECS: readonly CodecDefinition[] = [ndjson, msgpack, framed];

export interface DecodeOptions {
  /** Longest line, record or payload; below 2^24. */
  readonly maxFrameBytes: number;
  /** How long a frame may stay incomplete while its connection is read. */
  readonly frameTimeoutMs: number;
  /** Where a browser that calls this port by mistake finds the web page; '' if there is none. */
  readonly pageUrl: string;
  /** What a client has to say in its first frame; '' or absent: nothing. */
  readonly token?: string;
}

/**
 * The records of one connection, in order. The first byte that is not blank fixes the framing; the first frame may
 * begin a session, one of `sessions`. What is refused is counted with its reason; a connection that cannot be read on
 * is closed. Emits synchronously with each chunk, completes with the connection, never errors. A connection keeps the
 * options that it started with. While `isMeasured`, numbers of metrics and the like are read on the way.
 */
export function decode(
  optionsOf: () => DecodeOptions,
  context: Context,
  sessions?: Sessions,
  isMeasured?: () => boolean,
): (connection: Connection) => Observable<SentFrame> {
  const scan = createScan(isMeasured);
  return (connection) =>
    new Observable((subscriber) => {
      subscriber.add(feed(connection, subscriber, optionsOf(), scan, sessions, context));
    });
}

/** Feeds a connection's chunks to its codec, and what that finds to `subscriber`, until one of them has enough. */
function feed(
  connection: Connection,
  subscriber: Subscriber<SentFrame>,
  options: DecodeOptions,
  scan: Scan,
  sessions: Sessions | undefined,
  context: Context,
): Subscription {
  const { maxFrameBytes, frameTimeoutMs, pageUrl, token = '' } = options;
  const { scheduler } = context;
  const reject = rejectionsOf(connection, context);
  const subscriptions = new Subscription();
  let isClosing = false;
  const close = (reason: Rejection, reply?: string | Buffer, cause?: string) => {
    if (isClosing) return;
    isClosing = true;
    reject(reason, cause);
    connection.refuse(reply);
    subscriber.complete();
  };
  const talk = createTalk({
    sessions,
    context,
    maxFrameBytes,
    token,
    emit: (frame) => subscriber.next(frame),
    say: (message) => connection.say(codec.encode(message)),
    hold: connection.hold,
    finish: connection.finish,
    introduce: connection.introduce,
    close: (reason, cause, message) => close(reason, codec.encode(message), cause),
    drop: () => close('session', undefined, 'another connection has its session'),
  });
  const codec = createCodec(talk, () => isClosing, reject, maxFrameBytes, scan, scheduler);
  const closeFor = (reason: Rejection) => {
    if (!isClosing) talk.discarded(reason);
    close(reason, reason === 'http' ? httpReply(pageUrl) : undefined);
  };
  const end = () => {
    if (!isClosing) {
      codec.end();
      talk.ended();
    }
    subscriber.complete();
  };
  /** Made at the first incomplete frame: most connections never have one. */
  let patience: Patience | undefined;
  const startPatience = () => {
    const watched = { clockMs: connection.clockMs, pending: codec.pending };
    patience = createPatience(watched, frameTimeoutMs, scheduler, () => close('frame_timeout'));
    subscriptions.add(patience);
    return patience;
  };
  subscriptions.add(() => talk.departed());
  if (token !== '') subscriptions.add(awaitHello(connection, talk, scheduler));
  const chunks = connection.chunk$.subscribe({
    next(chunk) {
      if (isClosing) return;
      const reason = codec.push(chunk);
      if (reason !== undefined) closeFor(reason);
      else if (codec.pending() > 0) (patience ?? startPatience()).watch(chunk.length);
    },
    complete: end,
    error: end,
  });
  subscriptions.add(chunks);
  return subscriptions;
}

/** How long a client may take to show its token, while it is read. */
const HELLO_MS = 5000;

function awaitHello({ clockMs }: Connection, talk: Talk, scheduler: SchedulerLike): Unsubscribable {
  const isAwaited = { clockMs, pending: () => 1 };
  const patience = createPatience(isAwaited, HELLO_MS, scheduler, talk.late);
  patience.watch(1);
  return patience;
}

/** A codec that chooses itself by the first byte. */
function createCodec(
  talk: Talk,
  isOver: () => boolean,
  count: Reject,
  maxFrameBytes: number,
  scan: Scan,
  scheduler: SchedulerLike,
): Codec {
  let good = 0;
  let codec: Codec | undefined;
  let badLines: BadLines | undefined;
  let take = (frame: Frame): void => {
    take = talk.first(frame);
  };
  const io = {
    maxFrameBytes,
    scan,
    receivedMs: 0,
    emit(frame: Frame) {
      good++;
      take(frame);
    },
    reject(reason: Rejection) {
      badLines ??= createBadLines(() => scheduler.now());
      badLines.add(good);
      count(reason);
      if (reason !== 'truncated') talk.discarded(reason);
    },
    isHopeless: () => badLines?.isHopeless() === true || isOver(),
  } satisfies CodecIo;
  const open = (chunk: Buffer): Rejection | undefined => {
    const start = chunk.findIndex((byte) => !isBlank(byte));
    const first = chunk[start];
    if (first === undefined) return undefined;
    codec = CODECS.find(({ accepts }) => accepts(first))?.open(io);
    return codec === undefined ? reasonOf(first) : codec.push(chunk.subarray(start));
  };
  return {
    push(chunk) {
      io.receivedMs = scheduler.now();
      return codec === undefined ? open(chunk) : codec.push(chunk);
    },
    end: () => codec?.end(),
    pending: () => codec?.pending() ?? 0,
    encode: (message) => codec?.encode(message) ?? Buffer.from(`${JSON.stringify(message)}\n`),
  };
}

const TLS_HELLO = 0x16;

function reasonOf(first: number): Rejection {
  if (first === TLS_HELLO) return 'tls_hello';
  return first >= 0x41 && first <= 0x5a ? 'http' : 'first_byte';
}

function httpReply(pageUrl: string): string {
  const where = pageUrl === '' ? '' : ` The web page is at ${pageUrl}`;
  const body = `This port takes telemetry records, not HTTP.${where}\n`;
  const head = `Content-Type: text/plain; charset=utf-8\r\nContent-Length: ${Buffer.byteLength(body)}`;
  return `HTTP/1.1 400 Bad Request\r\n${head}\r\nConnection: close\r\n\r\n${body}`;
}
