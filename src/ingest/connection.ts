import type { Socket } from 'node:net';
import type { Observable } from 'rxjs';
import type { Context } from '../context.ts';
import { createInlet } from './inlet.ts';
import { rejectionsOf } from './rejections.ts';
import type { Turns } from './turns.ts';

/** One client. */
export interface Connection {
  /** Unique in a listener, ascending. */
  readonly id: number;
  /** `host:port` of the peer, or `unix`. */
  readonly remote: string;
  /**
   * What the client sends, as it comes; completes when the client has closed or the connection broke, and never
   * errors. For one subscriber; unsubscribing closes the connection. Nothing is read before it is subscribed.
   */
  readonly chunk$: Observable<Buffer>;
  /** A clock in milliseconds that stands while reading is paused. */
  clockMs(): number;
  /** Completes `chunk$` and closes, after `reply` if there is one. Who does not expect a reply gets none. */
  refuse(reply?: string | Buffer): void;
  /** Sends something to a client that expects it; nothing while that does not read. */
  say(bytes: Buffer): void;
  /** Keeps our half open when the client ends its own, until `finish`. */
  hold(): void;
  /** Ends our half. */
  finish(): void;
  /** Says which SDK the client is, such as `python/0.1.0`. */
  introduce(sdk: string): void;
}

/** A connection as its listener sees it. */
export interface OpenConnection extends Connection {
  /** Sends FIN and reads on. */
  halfClose(): void;
  /** Hands over what was received already, completes `chunk$` and closes. */
  close(): void;
  /** Milliseconds by `clockMs` since the last bytes, or since `halfClose`. */
  quietMs(): number;
  /** Whether bytes wait to be read, or came since `halfClose`. */
  isTalking(): boolean;
  /** Which SDK the client says it is; '' if it has not said. */
  sdk(): string;
  /** Bytes that came in, those of TLS itself included. */
  bytesRead(): number;
}

/** Wraps an accepted socket, made with `allowHalfOpen`; `onClose` is called once, when it is gone. */
export function openConnection(
  socket: Socket,
  id: number,
  turns: Turns,
  context: Context,
  onClose: () => void,
): OpenConnection {
  const remote = remoteOf(socket);
  const { chunk$, end, flush, quietMs, restartQuiet, isTalking } = createInlet(socket, turns);
  let isHeld = false;
  let sdk = '';
  socket.on('end', () => {
    end();
    if (!isHeld) socket.end();
  });
  socket.on('error', ({ message }) => rejectionsOf({ id, remote }, context)('connection_error', message));
  socket.on('close', () => {
    flush();
    onClose();
  });
  return {
    id,
    remote,
    chunk$,
    clockMs: turns.openMs,
    quietMs,
    isTalking,
    refuse(reply) {
      end();
      if (reply === undefined) socket.destroy();
      else endWith(reply, socket, context);
    },
    say(bytes) {
      if (socket.writable && socket.writableLength < MAX_UNSAID_BYTES) socket.write(bytes);
    },
    hold() {
      isHeld = true;
    },
    finish() {
      socket.end();
    },
    introduce(named) {
      sdk = named;
    },
    sdk: () => sdk,
    bytesRead: () => socket.bytesRead,
    halfClose() {
      restartQuiet();
      socket.end();
    },
    close() {
      flush();
      socket.destroy();
    },
  };
}

/** What a client does not read is kept up to here: acknowledgements are cumulative, and another will come. */
const MAX_UNSAID_BYTES = 65_536;
/** How long a client that was replied to may take to close. */
const LINGER_MS = 1_000;

/** Replies, then discards what still comes, so that the reply is not lost to a reset. */
function endWith(reply: string | Buffer, socket: Socket, { scheduler }: Context): void {
  socket.removeAllListeners('readable');
  socket.end(reply);
  socket.resume();
  const linger = scheduler.schedule(() => socket.destroy(), LINGER_MS);
  socket.once('close', () => linger.unsubscribe());
}

function remoteOf({ remoteAddress, remotePort, remoteFamily }: Socket): string {
  if (remoteAddress === undefined) return 'unix';
  return remoteFamily === 'IPv6' ? `[${remoteAddress}]:${remotePort}` : `${remoteAddress}:${remotePort}`;
}
