import type { Server, Socket } from 'node:net';
import { type TLSSocket, Server as TlsServer } from 'node:tls';
import { Observable, type Subscriber } from 'rxjs';
import type { Context } from '../context.ts';
import { type Connection, type OpenConnection, openConnection } from './connection.ts';
import { type Reject, rejectionsOf } from './rejections.ts';
import type { Turns } from './turns.ts';

/** The clients of one server. */
export interface Clients {
  /** For one subscriber; those that come before it wait. Completes when the server is closed and all are gone. */
  readonly connection$: Observable<Connection>;
  readonly open: ReadonlySet<OpenConnection>;
  /** Sends FIN on every connection, and on those still to come. */
  halfClose(): void;
  /** Once no connection is open: closes the sockets that never became one, in a TLS handshake. */
  closeUnfinished(): void;
}

/** Turns the sockets of `server`, plain or TLS, into connections. To be called before it listens. */
export function acceptClients(server: Server, turns: Turns, context: Context): Clients {
  const open = new Set<OpenConnection>();
  const waiting: Connection[] = [];
  let out: Subscriber<Connection> | undefined;
  let isDraining = false;
  let isClosed = false;
  let lastId = 0;

  const accept = (socket: Socket) => {
    const connection = openConnection(socket, ++lastId, turns, context, () => open.delete(connection));
    open.add(connection);
    if (isDraining) connection.halfClose();
    if (out === undefined) waiting.push(connection);
    else out.next(connection);
  };
  const unfinished = server instanceof TlsServer ? handshakesOf(server, accept) : NONE;
  if (unfinished === NONE) server.on('connection', accept);
  server.on('close', () => {
    isClosed = true;
    out?.complete();
  });

  return {
    open,
    connection$: new Observable((subscriber) => {
      out = subscriber;
      for (const connection of waiting.splice(0)) subscriber.next(connection);
      if (isClosed) subscriber.complete();
    }),
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
