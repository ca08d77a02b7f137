/** A sidecar's end of the socket that keeps what arrives, and can be slow, deaf, draining or gone. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { Unpackr } from 'msgpackr';

/** A record as it was on the wire. */
// biome-ignore lint/suspicious/noExplicitAny: clauses look into records of all shapes
export type Wire = any;

/** One connection of a client. */
export interface Connection {
  readonly socket: Socket;
  /** All it sent. */
  bytes(): Buffer;
  /** Whether the client ended its half. */
  isEnded: boolean;
  isClosed: boolean;
}

/** How it treats what is sent: reads it, never reads, or a piece of at most 64 KiB a second. */
export type Reading = 'all' | 'none' | 'slow';

export interface FakeOptions {
  readonly reading?: Reading;
  /** Answers `hello`, acknowledges records, refuses those whose message is `refuse`. */
  readonly hasSessions?: boolean;
  /** Whether it begins without a listener. */
  readonly isAbsent?: boolean;
}

export interface Fake {
  readonly port: number;
  readonly connections: readonly Connection[];
  /** Whole records of all connections, in order of connection; control messages left out. */
  records(): Wire[];
  /** Control messages: hello, bye, ping. */
  controls(): Wire[];
  /** Whole lines of all connections. */
  lines(): string[];
  /** Pieces of records at the ends of connections, and lines that are not JSON. */
  torn(): string[];
  /** Reads from now on as told, old connections too. */
  read(how: Reading): void;
  /** Listens, on the port it had. */
  start(): Promise<void>;
  /** Listens no more; its connections end with a FIN and are read on (`drain`), or are reset. */
  stop(how: 'drain' | 'reset'): Promise<void>;
  /** Ends it for good. */
  close(): Promise<void>;
}

const UNPACKR = new Unpackr({ int64AsType: 'number', useRecords: false });
const isControl = ({ type }: Wire) => ['hello', 'bye', 'ping'].includes(type);

/** Starts one on a free port. */
export async function startFake({ reading = 'all', hasSessions = false, isAbsent = false }: FakeOptions = {}): Promise<Fake> {
  const connections: (Connection & { readonly chunks: Buffer[] })[] = [];
  const marks = new Map<string, number>();
  let how = reading;
  let server: Server | undefined;
  let port = 0;

  const accept = (socket: Socket) => {
    const chunks: Buffer[] = [];
    const connection = { socket, chunks, bytes: () => Buffer.concat(chunks), isEnded: false, isClosed: false };
    connections.push(connection);
    const answer = hasSessions ? session(socket, marks) : undefined;
    socket.on('data', (chunk) => {
      chunks.push(chunk);
      answer?.(chunk);
      if (how === 'slow') {
        socket.pause();
        setTimeout(() => how !== 'none' && socket.resume(), 1000).unref();
      }
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      connection.isClosed = true;
    });
    socket.on('end', () => {
      connection.isEnded = true;
      socket.end();
    });
    if (how !== 'none') socket.resume();
    else socket.pause();
  };
  const start = async () => {
    server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, accept);
    server.listen({ port, host: '127.0.0.1', backlog: 512 });
    await once(server, 'listening');
    port = (server.address() as { port: number }).port;
  };
  const stop = async (way: 'drain' | 'reset') => {
    const stopping = server;
    server = undefined;
    for (const { socket } of connections) {
      if (way === 'drain') socket.end();
      else socket.resetAndDestroy();
    }
    if (stopping === undefined) return;
    stopping.close();
    if (way === 'reset') await once(stopping, 'close');
  };
  await start();
  if (isAbsent) await stop('reset');

  const parsed = () => connections.map(({ bytes }) => parse(bytes()));
  const all = () => parsed().flatMap(({ records }) => records);
  return {
    get port() {
      return port;
    },
    connections,
    records: () => all().filter((record) => !isControl(record)),
    controls: () => all().filter(isControl),
    lines: () => parsed().flatMap(({ lines }) => lines),
    torn: () => parsed().flatMap(({ torn }) => torn),
    read(next) {
      how = next;
      for (const { socket } of connections) {
        if (next === 'none') socket.pause();
        else socket.resume();
      }
    },
    start,
    stop,
    close: () => stop('reset'),
  };
}

/** Lines of NDJSON, or MessagePack, as the first byte says. */
function parse(bytes: Buffer): { records: Wire[]; lines: string[]; torn: string[] } {
  if (bytes.length === 0) return { records: [], lines: [], torn: [] };
  if (bytes[0] !== 0x7b) return parseMsgpack(bytes);
  const pieces = bytes.toString('utf8').split('\n');
  const rest = pieces.pop() ?? '';
  const torn = rest === '' ? [] : [rest];
  const records: Wire[] = [];
  for (const piece of pieces) {
    try {
      records.push(JSON.parse(piece));
    } catch {
      torn.push(piece);
    }
  }
  return { records, lines: pieces, torn };
}

function parseMsgpack(bytes: Buffer) {
  const records: Wire[] = [];
  try {
    UNPACKR.unpackMultiple(bytes, (value) => {
      records.push(value);
    });
    return { records, lines: [], torn: [] };
  } catch {
    return { records, lines: [], torn: [bytes.toString('hex').slice(-40)] };
  }
}

/** Speaks the protocol's sessions: what was acknowledged stays so over connections and restarts. */
function session(socket: Socket, marks: Map<string, number>) {
  let rest = '';
  let name = '';
  const say = (type: string, data: object) => socket.write(`${JSON.stringify({ type, data })}\n`);
  return (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    let mark = marks.get(name) ?? 0;
    for (const line of lines) {
      const record = JSON.parse(line);
      if (record.type === 'hello') {
        name = record.data.session;
        mark = marks.get(name) ?? 0;
        say('welcome', { v: 1, last_seq: mark, max_frame: 1048576, window: 1000, window_bytes: 1048576, ack: record.data.ack });
      }
      if (record.seq > mark) mark = record.seq;
      if (record.data.message === 'refuse') say('nack', { seq: record.seq, code: 'schema', retry: false });
    }
    marks.set(name, mark);
    if (mark > 0) say('ack', { seq: mark });
  };
}

/** A port whose queue of connections is full and never emptied: a SYN is never answered. `close` frees it. */
export async function startBlackHole(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const source = `
    const { createServer, connect } = require('node:net');
    const { parentPort } = require('node:worker_threads');
    const server = createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      const { port } = server.address();
      parentPort.postMessage(port);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const worker = new Worker(source, { eval: true });
  const [port] = (await once(worker, 'message')) as [number];
  const { connect } = await import('node:net');
  const fillers = Array.from({ length: 8 }, () => connect({ port, host: '127.0.0.1' }).on('error', () => {}));
  await pause(200);
  return {
    port,
    async close() {
      for (const filler of fillers) filler.destroy();
      await worker.terminate();
    },
  };
}
