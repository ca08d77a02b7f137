/** A sidecar's end of the socket that keeps what arrives, and can be slow, deaf, draining or gone. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
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
  /** What it says on each connection, being no sidecar: once, or again and again, as fast as it is read. */
  readonly says?: string;
  readonly talks?: string;
  /** Ends every connection as soon as it is there. */
  readonly isHangingUp?: boolean;
  /** Whether it begins without a listener. */
  readonly isAbsent?: boolean;
}

/** What it remembers of sessions, and how it behaves in them. */
export interface Sessions {
  /** The highest number of each session. */
  readonly marks: Map<string, number>;
  readonly taken: Wire[];
  /** Acknowledges nothing. */
  isSilent: boolean;
  /** Reads nothing for so long after a hello, and welcomes then. */
  deafMs: number;
  /** How many records, and bytes of them, it lets a client have on their way. */
  window: number;
  windowBytes: number;
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
  /** Records that its sessions took, each once. */
  readonly sessions: Sessions;
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
export async function startFake({
  reading = 'all',
  hasSessions = false,
  says = '',
  talks = '',
  isHangingUp = false,
  isAbsent = false,
}: FakeOptions = {}): Promise<Fake> {
  const connections: (Connection & { readonly chunks: Buffer[] })[] = [];
  const sessions: Sessions = {
    marks: new Map(),
    taken: [],
    isSilent: false,
    deafMs: 0,
    window: 50,
    windowBytes: 2 ** 13,
  };
  let how = reading;
  let server: Server | undefined;
  let port = 0;

  const accept = (socket: Socket) => {
    const chunks: Buffer[] = [];
    const connection = {
      socket,
      chunks,
      bytes: () => Buffer.concat(chunks),
      isEnded: false,
      isClosed: false,
    };
    connections.push(connection);
    const answer = hasSessions ? session(socket, sessions) : undefined;
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
    if (says !== '') socket.write(says);
    if (talks !== '') talkOn(socket, Buffer.from(talks.repeat(2 ** 16 / talks.length)));
    if (isHangingUp) socket.resetAndDestroy();
    else if (how !== 'none') socket.resume();
  };
  const start = async () => {
    server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, accept);
    server.listen({ port, host: '127.0.0.1', backlog: 512 });
    await once(server, 'listening');
    port = (server.address() as { port: number }).port;
  };
  const stop = async (way: 'drain' | 'reset') => {
    // Right behind a look at the sockets, so that hardly a connection waits to be accepted, which would be reset.
    await new Promise(setImmediate);
    const stopping = server;
    server = undefined;
    const closed = stopping === undefined ? undefined : once(stopping, 'close');
    // First, so that nobody who is reset connects to what nobody accepts from any more.
    stopping?.close();
    for (const { socket } of connections) {
      if (way === 'drain') socket.end();
      else socket.resetAndDestroy();
    }
    if (way === 'reset') await closed;
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
    sessions,
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

/** Says the same as long as somebody listens. */
function talkOn(socket: Socket, words: Buffer): void {
  const say = () => {
    while (socket.writable && socket.write(words));
  };
  socket.on('drain', say);
  say();
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

/** Speaks the protocol's sessions: what was taken stays so over connections and restarts, and is not taken again. */
function session(socket: Socket, state: Sessions) {
  let rest = '';
  let name = '';
  const say = (type: string, data: object) =>
    socket.writable && socket.write(`${JSON.stringify({ type, data })}\n`);
  const welcome = (ack: string) => {
    const { window, windowBytes } = state;
    const limits = { max_frame: 1048576, window, window_bytes: windowBytes };
    say('welcome', { v: 1, last_seq: state.marks.get(name) ?? 0, ...limits, ack });
  };
  const take = (record: Wire) => {
    if (record.type === 'hello') {
      name = record.data.session;
      if (state.deafMs === 0) return welcome(record.data.ack);
      socket.pause();
      setTimeout(() => {
        welcome(record.data.ack);
        socket.resume();
      }, state.deafMs);
    }
    if (record.seq <= (state.marks.get(name) ?? 0) || record.seq === undefined) return;
    state.marks.set(name, record.seq);
    state.taken.push(record);
    if (record.data.message === 'refuse') say('nack', { seq: record.seq, code: 'schema', retry: false });
  };
  return (chunk: Buffer) => {
    const lines = (rest + chunk.toString('utf8')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      try {
        take(JSON.parse(line));
      } catch {
        // `torn` tells of it.
      }
    }
    const mark = state.marks.get(name) ?? 0;
    if (mark > 0 && !state.isSilent) say('ack', { seq: mark });
  };
}

/** A port whose queue of connections is full and never emptied: a SYN is never answered. `close` frees it. */
export async function startBlackHole(): Promise<{ readonly port: number; close(): Promise<void> }> {
  const source = `
    const server = require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {
      require('node:fs').writeSync(1, String(server.address().port));
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0);
    });`;
  const deaf = spawn(process.execPath, ['-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  const [text] = (await once(deaf.stdout, 'data')) as [Buffer];
  const port = Number(text);
  const fillers = Array.from({ length: 8 }, () => connect({ port, host: '127.0.0.1' }).on('error', () => {}));
  await pause(200);
  return {
    port,
    async close() {
      for (const filler of fillers) filler.destroy();
      const ended = once(deaf, 'close');
      deaf.kill('SIGKILL');
      await ended;
    },
  };
}
