import type { Server, Socket } from 'node:net';
import { type TLSSocket, Server as TlsServer } from 'node:tls';
import { type Observable, ReplaySubject } from 'rxjs';
import type { Context } from '../context.ts';
import { type Connection, type OpenConnection, openConnection } from './connection.ts';
import { type Reject, rejectionsOf } from './rejections.ts';
import type { Turns } from './turns.ts';
import { createUnicast } from './unicast.ts';

/** The clients of one server. */
export interface Clients {
  /** For one subscriber; those that come before it wait. Completes when all are gone. */
  readonly connection$: Observable<Connection>;
  /** Emits once the server is closed and all its clients are gone, then to every later subscriber. */
  readonly gone$: Observable<void>;
  readonly open: ReadonlySet<OpenConnection>;
  /** Bytes that came in from all, those that are gone included. */
  bytesRead(): number;
  /** Sends FIN on every connection, and on those still to come. */
  halfClose(): void;
  /** Once no connection is open: closes the sockets that never became one, in a TLS handshake. */
  closeUnfinished(): void;
}

/** Turns the sockets of `server`, plain or TLS, into connections. To be called before it listens. */
export function acceptClients(server: Server, turns: Turns, context: Context): Clients {
  const open = new Set<OpenConnection>();
  const clients = createUnicast<Connection>();
  const gone$ = new ReplaySubject<void>(1);
  let isDraining = false;
  let isClosed = false;
  let lastId = 0;
  let bytesOfGone = 0;

  const settle = () => {
    if (!isClosed || open.size > 0) return;
    gone$.next();
    clients.complete();
  };
  const accept = (socket: Socket) => {
    const connection = openConnection(socket, ++lastId, turns, context, () => {
      open.delete(connection);
      bytesOfGone += connection.bytesRead();
      settle();
    });
    open.add(connection);
    if (isDraining) connection.halfClose();
    clients.next(connection);
  };
  const unfinished = server instanceof TlsServer ? handshakesOf(server, accept) : NONE;
  if (unfinished === NONE) server.on('connection', accept);
  server.on('close', () => {
    isClosed = true;
    settle();
  });

  return {
    connection$: clients.value$,
    gone$,
    open,
    bytesRead() {
      let bytes = bytesOfGone;
      for (const connection of open) bytes += connection.bytesRead();
      return bytes;
    },
    halfClose() {
      isDraining = true;
      for (const connection of open) connection.halfClose();
    },
    closeUnfinished() {
      if (open.size === 0) for (const socket of unfinished) socket.destroy();
    },
  };
}

const NONE: ReadonlySet<Socket> = new Set();

/** Calls `accept` for each finished handshake. Returns the sockets beneath, which live as long as their TLS. */
function handshakesOf(server: TlsServer, accept: (socket: Socket) => void): ReadonlySet<Socket> {
  const beneath = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    beneath.add(socket);
    socket.once('close', () => beneath.delete(socket));
  });
  server.on('secureConnection', accept);
  return beneath;
}

/** Counts the clients that `server` has to turn away. To be called once it listens. */
export function countRefused(server: Server, context: Context): void {
  let refuseForCap: Reject | undefined;
  server.on('drop', (client?: { remoteAddress?: string }) => {
    refuseForCap ??= refuse(client?.remoteAddress, context);
    refuseForCap('connection_cap');
  });
  server.on('connection', () => {
    refuseForCap = undefined;
  });
  server.on('error', (error) => refuse(undefined, context)('accept_error', error.message));
  server.on('tlsClientError', (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    refuse(socket.remoteAddress, context)('tls_handshake', error.code ?? error.message);
    socket.destroy();
  });
}

const refuse = (remote = 'unknown', context: Context) => rejectionsOf({ id: 0, remote }, context);
