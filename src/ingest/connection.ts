import type { Socket } from 'node:net';
import { Observable, type Subscriber } from 'rxjs';
import type { Context } from '../context.ts';
import { rejectionsOf } from './rejections.ts';
import { TURN_BYTES, type Turns } from './turns.ts';

/** One client. */
export interface Connection {
  /** Unique in a listener, ascending. */
  readonly id: number;
  /** `host:port` of the peer, or `unix`. */
  readonly remote: string;
  /**
   * What the client sends, as it comes; completes when the client has closed or the connection broke, and never
   * errors. For one subscriber; unsubscribing closes the connection. Nothing is read until it is subscribed.
   */
  readonly chunk$: Observable<Buffer>;
  /** A clock in milliseconds that stands while reading is paused. */
  clockMs(): number;
  /** Completes `chunk$` and closes, after `reply` if there is one. A client of telemetry is never replied to. */
  refuse(reply?: string): void;
}

/** A connection as its listener sees it. */
export interface OpenConnection extends Connection {
  /** Sends FIN and keeps on reading. */
  halfClose(): void;
  /** Hands over what was read already, completes `chunk$` and closes. */
  close(): void;
  /** Whether nothing came for `forMs` by the connection's clock, though it was read. */
  isQuiet(forMs: number): boolean;
}

/** How long a client that was replied to may take to close. */
const LINGER_MS = 1_000;

/** Wraps an accepted socket, made with `allowHalfOpen`; `onClose` is called once, when it is gone. */
export function openConnection(
  socket: Socket,
  id: number,
  turns: Turns,
  context: Context,
  onClose: (connection: OpenConnection) => void,
): OpenConnection {
  const remote = remoteOf(socket);
  let out: Subscriber<Buffer> | undefined;
  let isDone = false;
  let isQueued = false;
  let readAtMs = turns.openMs();

  const queue = () => {
    if (isQueued || isDone) return;
    isQueued = true;
    turns.add(reader);
  };
  const reader = {
    read(): number {
      isQueued = false;
      if (isDone) return 0;
      const chunk = take(socket);
      if (chunk === null) return 0;
      readAtMs = turns.openMs();
      out?.next(chunk);
      if (socket.readableLength > 0) queue();
      return chunk.length;
    },
  };
  const done = () => {
    if (isDone) return;
    isDone = true;
    out?.complete();
  };
  const flush = () => {
    for (let chunk = take(socket); chunk !== null && !isDone; chunk = take(socket)) out?.next(chunk);
    done();
    out?.complete();
  };

  const connection: OpenConnection = {
    id,
    remote,
    chunk$: new Observable((subscriber) => {
      out = subscriber;
      socket.on('readable', queue);
      if (isDone || socket.closed) flush();
      return () => {
        if (!isDone) socket.destroy();
        isDone = true;
      };
    }),
    clockMs: turns.openMs,
    refuse(reply) {
      done();
      if (reply === undefined) socket.destroy();
      else endWith(reply, socket, context);
    },
    halfClose() {
      readAtMs = turns.openMs();
      socket.end();
    },
    close() {
      flush();
      socket.destroy();
    },
    isQuiet: (forMs) => turns.openMs() - readAtMs >= forMs && socket.readableLength === 0,
  };

  socket.on('end', () => {
    done();
    socket.end();
  });
  socket.on('error', (error) => rejectionsOf(connection, context)('connection_error', error.message));
  socket.on('close', () => {
    if (out !== undefined) flush();
    onClose(connection);
  });
  return connection;
}

/** At most one turn's bytes; `null` if there are none. A read of everything is what makes a socket end. */
function take(socket: Socket): Buffer | null {
  return socket.readableLength > TURN_BYTES ? socket.read(TURN_BYTES) : socket.read();
}

/** Replies, then discards what still comes, so that the reply is not lost to a reset. */
function endWith(reply: string, socket: Socket, context: Context): void {
  socket.removeAllListeners('readable');
  socket.end(reply);
  socket.resume();
  const linger = context.scheduler.schedule(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => linger.unsubscribe());
}

function remoteOf({ remoteAddress, remotePort, remoteFamily }: Socket): string {
  if (remoteAddress === undefined) return 'unix';
  return remoteFamily === 'IPv6' ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}
