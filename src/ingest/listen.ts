import { createServer, type Server, type ServerOpts } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  defer,
  exhaustMap,
  filter,
  from,
  map,
  type Observable,
  type SchedulerLike,
  switchMap,
  takeUntil,
  timer,
} from 'rxjs';
import type { Context } from '../context.ts';
import { isLoopback } from '../hosts.ts';
import { acceptClients, type Clients, countRefused } from './accept.ts';
import { type Address, BACKLOG, bind } from './address.ts';
import type { Connection } from './connection.ts';
import { createTlsServer, outOfDate, type TlsOptions } from './tls.ts';
import { createTurns, TURN_BYTES } from './turns.ts';

export interface ListenOptions {
  readonly address: Address;
  readonly tls?: TlsOptions;
  /** Connections beyond it are closed at once, and counted. */
  readonly maxConnections: number;
  /** Whether its clients have to show a token. */
  readonly isGuarded?: boolean;
}

/** An open port or Unix socket. */
export interface Listener {
  /** What is really bound: `host:port`, or the socket's path. */
  readonly address: string;
  /** Whether anyone on the network may send: neither loopback nor a Unix socket, and neither token nor client certificates. */
  readonly isExposed: boolean;
  /**
   * Clients as they come, for one subscriber; those that come before it wait. Completes when the port is closed
   * and the last one is gone.
   */
  readonly connection$: Observable<Connection>;
  /** How many are open. */
  connections(): number;
  /** Which SDKs the open ones say they are; '' for each that has not said. */
  sdks(): readonly string[];
  /** Bytes that came in so far. */
  bytesRead(): number;
  /** Closes the port; open connections stay. Resolves when the port is free for others. */
  stopAccepting(): Promise<void>;
  /**
   * Closes the port, sends FIN on each connection and reads on until its client closes, or was quiet for a
   * second, or `deadlineMs` have passed since the subscription. Emits at the deadline how many it cut off while they
   * sent or had bytes waiting; completes when all are gone.
   */
  drain(deadlineMs: number): Observable<number>;
}

/** `TCP_NODELAY`, and keep-alive after 60 s; the probes that follow are libuv's: ten, a second apart. */
const SOCKETS: ServerOpts = {
  allowHalfOpen: true,
  noDelay: true,
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
};
/** One chunk of at most 64 KiB is taken from the kernel at a time: several that wait would be copied into one. */
const PLAIN_SOCKETS: ServerOpts = { ...SOCKETS, highWaterMark: 1 };
/** A record of TLS has at most 16 KiB. */
const TLS_SOCKETS: ServerOpts = { ...SOCKETS, highWaterMark: TURN_BYTES };

/**
 * Opens a port or Unix socket. While the latest `pause$` is true no connection is read, so that clients wait.
 * Rejects with an `Error` that says where, why and what to do.
 */
export async function openListener(
  options: ListenOptions,
  pause$: Observable<boolean>,
  context: Context,
): Promise<Listener> {
  const server = options.tls ? createTlsServer(options.tls, TLS_SOCKETS) : createServer(PLAIN_SOCKETS);
  server.maxConnections = options.maxConnections;
  const turns = createTurns(pause$, context.scheduler);
  const clients = acceptClients(server, turns, context);
  const address = await bind(server, options.address).catch((error: unknown) => {
    turns.close();
    throw error;
  });
  countRefused(server, context);
  clients.gone$.subscribe(() => turns.close());
  const isGuarded = options.isGuarded === true || options.tls?.clientCertificates === 'required';
  const isRemote = 'host' in options.address && !isLoopback(options.address.host);
  const isExposed = isRemote && !isGuarded;
  if (isExposed) context.log.warn({ address }, EXPOSED);
  const dated = options.tls && outOfDate(options.tls.cert, context.scheduler.now());
  if (dated) context.log.warn({ address, ...dated }, OUT_OF_DATE);
  return {
    address,
    isExposed,
    connection$: clients.connection$,
    connections: () => clients.open.size,
    sdks: () => Array.from(clients.open, (connection) => connection.sdk()),
    bytesRead: clients.bytesRead,
    ...closing(server, clients, context.scheduler),
  };
}

const EXPOSED =
  'ingest: everyone who reaches this address may send; listen on 127.0.0.1, or require a token or client certificates';

const OUT_OF_DATE =
  'ingest: the certificate of this address is not valid today, so clients that check it refuse; renew tls.cert';

const QUIET_MS = 1_000;
const CHECK_EVERY_MS = 100;

function closing(
  server: Server,
  clients: Clients,
  scheduler: SchedulerLike,
): Pick<Listener, 'stopAccepting' | 'drain'> {
  let stopped: Promise<void> | undefined;
  const stopAccepting = () => {
    stopped ??= acceptPending(server).then(() => void server.close());
    return stopped;
  };
  /** Returns how many it cut off. */
  const closeQuiet = (passedMs: number, deadlineMs: number): number => {
    const isLate = passedMs >= deadlineMs;
    let cutOff = 0;
    for (const connection of clients.open) {
      const isQuiet = connection.quietMs() >= QUIET_MS;
      if (!isLate && !isQuiet) continue;
      if (!isQuiet && connection.isTalking()) cutOff++;
      connection.close();
    }
    if (isLate || passedMs >= QUIET_MS) clients.closeUnfinished();
    return cutOff;
  };
  const drain = (deadlineMs: number) =>
    defer(() => {
      const startMs = scheduler.now();
      // Nobody's silence counts before all are told.
      return from(stopAccepting().then(() => clients.halfClose())).pipe(
        switchMap(() => timer(0, CHECK_EVERY_MS, scheduler)),
        // Of a process that stood still, the sockets are looked at first.
        exhaustMap(() => nextTurn()),
        map(() => closeQuiet(scheduler.now() - startMs, deadlineMs)),
        filter((cutOff) => cutOff > 0),
        takeUntil(clients.gone$),
      );
    });
  return { stopAccepting, drain };
}

/**
 * Waits until the clients whom the kernel has let in are accepted: closing the port would reset them. libuv accepts
 * one a turn, so two turns without any say that nobody waits.
 */
async function acceptPending(server: Server): Promise<void> {
  let idleTurns = 0;
  const onConnection = () => {
    idleTurns = -1;
  };
  server.on('connection', onConnection);
  for (let turns = 0; turns < BACKLOG && idleTurns < 2; turns++) {
    await nextTurn();
    idleTurns++;
  }
  server.off('connection', onConnection);
}
