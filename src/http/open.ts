import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import { isIPv6 } from 'node:net';
import { getRequestListener } from '@hono/node-server';
import { timer } from 'rxjs';
import type { Context } from '../context.ts';
import { isLoopback } from '../hosts.ts';
import type { Access } from './access.ts';
import { SAFE_HEADERS } from './answer.ts';
import { createRoutes } from './routes.ts';
import type { HttpSources } from './sources.ts';

export interface HttpOptions {
  /** The address to listen on. Beyond loopback, whatever is asked for needs the token. */
  readonly host: string;
  /** 0 picks a free one. */
  readonly port: number;
  readonly access: Access;
  /** Folder of the built page. */
  readonly pages: string;
  /** How long requests may go on after `close()`, milliseconds. Default 1,000. */
  readonly graceMs?: number;
}

export interface HttpServer {
  /** `http://host:port` as it really listens, without a slash at the end. */
  readonly address: string;
  /** Stops accepting, ends idle connections at once and the others after the grace; resolves when all are gone. */
  close(): Promise<void>;
}

/** Bounds of what a client may cost. */
const LIMITS = {
  maxHeaderSize: 16_384,
  headersTimeout: 5_000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5_000,
  connectionsCheckingInterval: 1_000,
};
const MAX_CONNECTIONS = 256;
const IDLE_SOCKET_MS = 30_000;

/** Serves health, metrics, the page and the API. Rejects, with what to do, when it cannot. */
export async function openHttp(
  options: HttpOptions,
  sources: HttpSources,
  context: Pick<Context, 'scheduler' | 'log'>,
): Promise<HttpServer> {
  const host = options.host.replace(/^\[(.*)\]$/, '$1').toLowerCase();
  const isRemote = !isLoopback(host);
  const routes = createRoutes(
    { host: inUrl(host), isRemote, access: options.access, pages: options.pages },
    sources,
    context.log,
  );
  const answer = getRequestListener(routes.fetch, { overrideGlobalObjects: false, errorHandler });
  const server = createServer(LIMITS, parting(answer));
  server.maxConnections = MAX_CONNECTIONS;
  server.timeout = IDLE_SOCKET_MS;
  const port = await listen(server, host, options.port);
  server.on('error', (error) => context.log.error({ err: error }, 'the HTTP listener failed'));
  let closed: Promise<void> | undefined;
  return {
    address: `http://${inUrl(host)}:${port}`,
    close: () => {
      closed ??= shut(server, options.graceMs ?? 1_000, context);
      return closed;
    },
  };
}

async function listen(server: Server, host: string, port: number): Promise<number> {
  try {
    server.listen(port, host);
    await once(server, 'listening');
  } catch (error) {
    throw unusable(`${inUrl(host)}:${port}`, error);
  }
  const bound = server.address();
  if (bound === null || typeof bound === 'string') throw new Error('http: the listener has no port');
  // What it is, the hosts file says.
  if (host !== 'localhost' || isLoopback(bound.address)) return bound.port;
  server.close();
  throw new Error(`http.host: localhost is ${bound.address} here, which other machines reach: use 127.0.0.1`);
}

/** Once the server closes, a connection ends with its answer: left to itself it would wait for another request. */
const parting = (answer: RequestListener): RequestListener =>
  function (this: Server, request, response) {
    response.shouldKeepAlive &&= this.listening;
    response.once('finish', () => {
      if (!this.listening) this.closeIdleConnections();
    });
    return answer.call(this, request, response);
  };

async function shut(
  server: Server,
  graceMs: number,
  { scheduler }: Pick<Context, 'scheduler'>,
): Promise<void> {
  const gone = once(server, 'close');
  server.close();
  const grace = timer(graceMs, scheduler).subscribe(() => server.closeAllConnections());
  await gone;
  grace.unsubscribe();
}

const inUrl = (host: string) => (isIPv6(host) ? `[${host}]` : host);

const REMEDIES: Readonly<Record<string, string>> = {
  EADDRINUSE:
    'is already in use, perhaps by another sidecar: stop it, or set http.port to a free port (0 picks one)',
  EACCES: 'may not be opened by this user: set http.port to 1024 or above',
  EADDRNOTAVAIL: 'is not an address of this machine: set http.host to one, such as 127.0.0.1',
};

function unusable(address: string, cause: unknown): Error {
  const { code = '', message } = cause as NodeJS.ErrnoException;
  return new Error(`http: ${address} ${REMEDIES[code] ?? `cannot be opened: ${message}`}`, { cause });
}

/** Answers what never became a request: a URL or `Host` that cannot be read. */
function errorHandler(): Response {
  const problem = { error: 'the request cannot be understood', hint: 'check its path and its Host header' };
  return Response.json(problem, { status: 400, headers: SAFE_HEADERS });
}
