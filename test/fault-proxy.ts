// A TCP proxy that harms what passes through it, in front of a real server.
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { PassThrough, Transform, type TransformCallback } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';

/** What is done to connections; each is optional, and they combine. */
export interface Faults {
  /** Each chunk comes this much later, milliseconds, both ways. */
  readonly delayMs?: number;
  /** The connection ends, with FIN to both sides, after so many bytes from the client. */
  readonly cutAfter?: number;
  /** The connection is reset (RST) after so many bytes from the client; 0: as soon as it is open. */
  readonly resetAfter?: number;
  /** The connection ends after so many bytes from the server, so that its answer is lost. */
  readonly cutAnswerAfter?: number;
  /** Connections open, bytes are swallowed, nothing ever answers. */
  readonly blackHole?: boolean;
  /** At most so many bytes a second from the client. */
  readonly trickle?: number;
}

export interface FaultProxy {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** Of `http://`. */
  readonly endpoint: string;
  /** Sets what is done to connections, open ones too from their next byte; `{}` heals. Black-holed ones stay so. */
  set(faults: Faults): void;
  /** Does `faults` to the next `connections` new ones only, before what `set` said. */
  next(faults: Faults, connections?: number): void;
  /** Connections so far. */
  connections(): number;
  /** Connections that are open now. */
  open(): number;
  /** Bytes from clients so far. */
  received(): number;
  /** Resets every open connection. */
  resetAll(): void;
  close(): Promise<void>;
}

interface Upstream {
  readonly host: string;
  readonly port: number;
}

/** Starts a proxy on a free port of 127.0.0.1. */
export async function startFaultProxy(to: Upstream): Promise<FaultProxy> {
  let faults: Faults = {};
  const queued: Faults[] = [];
  const clients = new Set<Socket>();
  let connections = 0;
  let received = 0;

  const server = createServer({ allowHalfOpen: true }, (client) => {
    connections++;
    clients.add(client);
    client.once('close', () => clients.delete(client));
    client.on('data', (chunk) => {
      received += chunk.length;
    });
    const own = queued.shift();
    join(client, to, () => own ?? faults);
  });
  await listening(server);
  const { port } = server.address() as AddressInfo;

  return {
    host: '127.0.0.1',
    port,
    endpoint: `http://127.0.0.1:${port}`,
    set: (changed) => {
      faults = changed;
    },
    next: (changed, count = 1) => void queued.push(...Array<Faults>(count).fill(changed)),
    connections: () => connections,
    open: () => clients.size,
    received: () => received,
    resetAll: () => {
      for (const client of clients) client.resetAndDestroy();
    },
    close: async () => {
      const closed = once(server, 'close');
      server.close();
      for (const client of clients) client.destroy();
      await closed;
    },
  };
}

async function listening(server: Server): Promise<void> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
}

/** Joins a client to the server; `faults` is asked at every chunk. */
function join(client: Socket, to: Upstream, faults: () => Faults): void {
  client.on('error', () => {});
  if (faults().blackHole) {
    client.resume();
    return;
  }
  if (faults().resetAfter === 0) {
    client.resetAndDestroy();
    return;
  }
  const upstream = connect({ ...to, allowHalfOpen: true });
  upstream.on('error', () => client.resetAndDestroy());
  client.once('close', () => upstream.destroy());
  upstream.once('close', () => client.destroySoon());

  const cut = () => {
    client.destroySoon();
    upstream.destroySoon();
  };
  const reset = () => {
    client.resetAndDestroy();
    upstream.resetAndDestroy();
  };
  const harmed = (bound: (current: Faults) => readonly [number | undefined, () => void][]) => {
    let passed = 0;
    return stage(async (chunk) => {
      const current = faults();
      if (current.blackHole) return undefined;
      if (current.delayMs !== undefined) await pause(current.delayMs);
      for (const [limit, end] of bound(current)) {
        if (limit === undefined || passed + chunk.length < limit) continue;
        const part = chunk.subarray(0, limit - passed);
        passed = limit;
        setImmediate(end);
        return part;
      }
      passed += chunk.length;
      return chunk;
    });
  };

  client
    .pipe(slowed(faults))
    .pipe(
      harmed(({ cutAfter, resetAfter }) => [
        [cutAfter, cut],
        [resetAfter, reset],
      ]),
    )
    .pipe(upstream);
  upstream.pipe(harmed(({ cutAnswerAfter }) => [[cutAnswerAfter, cut]])).pipe(client);
}

/** Lets no more than `trickle` bytes a second pass, in ten steps a second. */
function slowed(faults: () => Faults): Transform {
  if (faults().trickle === undefined) return new PassThrough();
  return new Transform({
    async transform(chunk: Buffer, _, done) {
      let at = 0;
      while (at < chunk.length) {
        const { trickle } = faults();
        const most = trickle === undefined ? chunk.length : Math.max(1, Math.floor(trickle / 10));
        this.push(chunk.subarray(at, at + most));
        at += most;
        if (trickle !== undefined) await pause(100);
      }
      done();
    },
  });
}

/** A stage that passes on what `change` makes of a chunk; nothing for `undefined`. */
function stage(change: (chunk: Buffer) => Promise<Buffer | undefined>): Transform {
  return new Transform({
    transform(chunk: Buffer, _, done: TransformCallback) {
      change(chunk).then((changed) => done(null, changed), done);
    },
  });
}
