import { Observable, type SchedulerLike, type Subscriber, Subscription } from 'rxjs';
import type { Context } from '../context.ts';
import { type BadLines, createBadLines } from './bad-lines.ts';
import type { Codec, CodecDefinition, CodecIo } from './codec.ts';
import { codec as framed } from './codecs/framed.ts';
import { codec as msgpack } from './codecs/msgpack.ts';
import { codec as ndjson } from './codecs/ndjson.ts';
import type { Connection } from './connection.ts';
import { isBlank } from './json.ts';
import { createPatience, type Patience } from './patience.ts';
import type { Frame } from './record.ts';
import { type Reject, type Rejection, rejectionsOf } from './rejections.ts';
import { createScan, type Scan } from './scan.ts';

/** Every framing, each of a file in `codecs/`. */
export const CODECS: readonly CodecDefinition[] = [ndjson, msgpack, framed];

export interface DecodeOptions {
  /** Longest line, record or payload; below 2^24. */
  readonly maxFrameBytes: number;
  /** How long a frame may stay incomplete while its connection is read. */
  readonly frameTimeoutMs: number;
  /** Where a browser that calls this port by mistake finds the web page; '' if there is none. */
  readonly pageUrl: string;
}

/**
 * The records of one connection, in order. The first byte that is not blank fixes the framing. What is refused is
 * counted with its reason; a connection that cannot be read on is closed. Emits synchronously with each chunk,
 * completes with the connection, never errors. A connection keeps the options that it started with.
 */
export function decode(
  optionsOf: () => DecodeOptions,
  context: Context,
): (connection: Connection) => Observable<Frame> {
  const scan = createScan();
  return (connection) =>
    new Observable((subscriber) => {
      const options = optionsOf();
      const reject = rejectionsOf(connection, context);
      const codec = createCodec(subscriber, reject, options.maxFrameBytes, scan, context.scheduler);
      subscriber.add(
        feed(connection, codec, options, context.scheduler, reject, () => subscriber.complete()),
      );
    });
}

/** Feeds a connection's chunks to its codec until either has enough; then calls `onEnd`. */
function feed(
  connection: Connection,
  codec: Codec,
  { frameTimeoutMs, pageUrl }: DecodeOptions,
  scheduler: SchedulerLike,
  reject: Reject,
  onEnd: () => void,
): Subscription {
  const subscriptions = new Subscription();
  let isClosing = false;
  const close = (reason: Rejection) => {
    isClosing = true;
    reject(reason);
    connection.refuse(reason === 'http' ? httpReply(pageUrl) : undefined);
    onEnd();
  };
  const end = () => {
    if (!isClosing) codec.end();
    onEnd();
  };
  /** Made at the first incomplete frame: most connections never have one. */
  let patience: Patience | undefined;
  const startPatience = () => {
    const watched = { clockMs: connection.clockMs, pending: codec.pending };
    patience = createPatience(watched, frameTimeoutMs, scheduler, () => close('frame_timeout'));
    subscriptions.add(patience);
    return patience;
  };
  const chunks = connection.chunk$.subscribe({
    next(chunk) {
      if (isClosing) return;
      const reason = codec.push(chunk);
      if (reason !== undefined) close(reason);
      else if (codec.pending() > 0) (patience ?? startPatience()).watch(chunk.length);
    },
    complete: end,
    error: end,
  });
  subscriptions.add(chunks);
  return subscriptions;
}

/** A codec that chooses itself by the first byte. */
function createCodec(
  subscriber: Subscriber<Frame>,
  count: Reject,
  maxFrameBytes: number,
  scan: Scan,
  scheduler: SchedulerLike,
): Codec {
  let good = 0;
  let codec: Codec | undefined;
  let badLines: BadLines | undefined;
  const io: CodecIo = {
    maxFrameBytes,
    scan,
    emit(frame) {
      good++;
      subscriber.next(frame);
    },
    reject(reason) {
      badLines ??= createBadLines(() => scheduler.now());
      badLines.add(good);
      count(reason);
    },
    isHopeless: () => badLines?.isHopeless() === true,
  };
  const open = (chunk: Buffer): Rejection | undefined => {
    const start = chunk.findIndex((byte) => !isBlank(byte));
    const first = chunk[start];
    if (first === undefined) return undefined;
    codec = CODECS.find(({ accepts }) => accepts(first))?.open(io);
    return codec === undefined ? reasonOf(first) : codec.push(chunk.subarray(start));
  };
  return {
    push: (chunk) => (codec === undefined ? open(chunk) : codec.push(chunk)),
    end: () => codec?.end(),
    pending: () => codec?.pending() ?? 0,
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
