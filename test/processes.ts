// The real binary, in a folder of its own, on free ports; and clients that count what they send.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

/** The package's folder. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Where `npm test` installs what it needs of Python's programs and the system has not. */
export const PYTHON_PROGRAMS = join(ROOT, 'node_modules', '.cache', 'python', 'bin');

/** The program as the package ships it. */
export const BINARY = join(ROOT, 'bin', 'sidecar');
/** How long a condition may take to come true on a slow, loaded machine. */
const PATIENCE_MS = 30_000;
/** For `jest.setTimeout`: several conditions one after the other. */
export const TEST_MS = 180_000;

const programs: ChildProcess[] = [];
const sockets: Socket[] = [];
const folders: string[] = [];

/** Ends all programs and clients and removes all folders; for `afterEach`. */
export async function closeAll(): Promise<void> {
  for (const socket of sockets.splice(0)) socket.destroy();
  const running = programs.splice(0).filter(({ exitCode, signalCode }) => exitCode === null && !signalCode);
  await Promise.all(
    running.map(async (program) => {
      program.kill('SIGKILL');
      await once(program, 'exit');
    }),
  );
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
}

/** A new empty folder. */
export function createFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'sidecar-process-'));
  folders.push(folder);
  return folder;
}

/** Writes a file and the folders above it; returns its path. */
export function write(path: string, text: string): string {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  return path;
}

/** Resolves once `condition` holds; rejects after 30 s, with `what` was waited for and what `seen` says. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  seen: () => unknown = () => '',
): Promise<void> {
  const endMs = Date.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (Date.now() > endMs) throw new Error(`waited in vain: ${what} ${String(seen())}`);
    await pause(20);
  }
}

/** A line of the log. */
export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A run of the binary. */
export interface Program {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** The log; lines that are not JSON are left out. */
  log(): readonly LogLine[];
  /** Whether the log has a line of `level` whose sentence contains `text`. */
  hasLogged(level: string, text: string): boolean;
  kill(signal: NodeJS.Signals): void;
  isRunning(): boolean;
  /** The exit code, or the signal that ended it; waits for it for 30 s, or as long as given. */
  exit(withinMs?: number): Promise<number | NodeJS.Signals>;
}

export interface ProgramOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** A command and its options that start the binary. */
  readonly through?: readonly string[];
  /** Nobody reads its stderr, so that a pipe that is full stays full. */
  readonly isDeaf?: boolean;
}

/** Starts the binary with `args`. */
export function start(
  args: readonly string[],
  { cwd, env = {}, through = [], isDeaf = false }: ProgramOptions,
): Program {
  const [command = '', ...rest] = [...through, process.execPath, BINARY, ...args];
  const child = spawn(command, rest, {
    cwd,
    env: { ...process.env, FORCE_COLOR: '', NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  programs.push(child);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  if (!isDeaf) {
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
  }
  const gone = new Promise<void>((resolve) => child.once(isDeaf ? 'exit' : 'close', () => resolve()));
  const log = () => stderr.split('\n').flatMap(parsedLine);
  return {
    pid: child.pid!,
    stdout: () => stdout,
    stderr: () => stderr,
    log,
    hasLogged: (level, text) => log().some((line) => line.level === level && line.msg.includes(text)),
    kill: (signal) => void child.kill(signal),
    isRunning: () => child.exitCode === null && child.signalCode === null,
    async exit(withinMs = PATIENCE_MS) {
      const late = new AbortController();
      await Promise.race([gone, pause(withinMs, undefined, { signal: late.signal }).catch(() => {})]);
      late.abort();
      const ended = child.exitCode ?? child.signalCode;
      if (ended === null) throw new Error(`still runs after ${withinMs} ms: ${stderr.slice(-2000)}`);
      return ended;
    },
  };
}

function parsedLine(text: string): LogLine[] {
  if (!text.startsWith('{')) return [];
  try {
    return [JSON.parse(text) as LogLine];
  } catch {
    return [];
  }
}

/** Runs the binary to its end. */
export async function runToEnd(args: readonly string[], options: ProgramOptions) {
  const program = start(args, options);
  const code = await program.exit();
  return { code, stdout: program.stdout(), stderr: program.stderr(), program };
}

/** A sidecar that takes messages. */
export interface RunningSidecar extends Program {
  readonly folder: string;
  /** Its configuration file. */
  readonly path: string;
  /** What it printed: the addresses it really listens on. */
  readonly listening: { readonly tcp: string; readonly http: string; readonly data_dir: string };
  readonly port: number;
  metrics(): Promise<string>;
  /** What an HTTP path answers, parsed. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of all shapes
  get(path: string): Promise<any>;
  /** Sends SIGTERM; the exit code. */
  stop(): Promise<number | NodeJS.Signals>;
}

export interface SidecarOptions {
  /** Its configuration, `$OUT` standing for the folder's `out`. */
  readonly yaml: string;
  readonly args?: readonly string[];
  readonly folder?: string;
  /** See `ProgramOptions`. */
  readonly through?: readonly string[];
  readonly isDeaf?: boolean;
  readonly env?: Readonly<Record<string, string>>;
  /** Settings of `--set`. Default: free ports. */
  readonly set?: readonly string[];
}

/** Starts a sidecar and waits until it listens. */
export async function startSidecar(options: SidecarOptions): Promise<RunningSidecar> {
  const { yaml, args = [], folder = createFolder(), set = ['tcp.port=0', 'http.port=0'] } = options;
  const path = write(join(folder, 'sidecar.yaml'), inFolder(yaml, folder));
  const settings = set.flatMap((setting) => ['--set', setting]);
  const program = start(['run', '--config', path, ...settings, ...args], { cwd: folder, ...options });
  await until(
    () => program.stdout().includes('\n') || !program.isRunning(),
    'the sidecar listens',
    program.stderr,
  );
  if (!program.isRunning()) throw new Error(`it did not start: ${program.stderr()}`);
  const listening = JSON.parse(program.stdout().split('\n')[0]!) as RunningSidecar['listening'];
  const fetched = (at: string) =>
    fetch(`http://${listening.http}${at}`, { headers: { Authorization: `Bearer ${tokenOf(listening)}` } });
  return {
    ...program,
    folder,
    path,
    listening,
    port: Number(listening.tcp?.split(':').at(-1)),
    metrics: async () => (await fetch(`http://${listening.http}/metrics`)).text(),
    get: async (at) => (await fetched(at)).json(),
    stop: () => {
      program.kill('SIGTERM');
      return program.exit(60_000);
    },
  };
}

/** What a sidecar asks its readers for. */
export const tokenOf = ({ data_dir }: Pick<RunningSidecar['listening'], 'data_dir'>): string =>
  readFileSync(join(data_dir, 'http-token'), 'utf8').trim();

/** `yaml` with `$OUT` as a folder's `out`. */
export const inFolder = (yaml: string, folder: string): string =>
  yaml.replaceAll('$OUT', join(folder, 'out'));

/** A configuration that puts everything into one file, `out/all.jsonl`, and notices edits fast. */
export const ONE_FILE = `
batch: { max_age: 20ms }
reload: { debounce: 20ms, poll: 500ms }
shutdown: { deadline: 60s }
routing:
  default:
    - backend: files
backends:
  files: { type: filesystem, base_path: $OUT, path: all.jsonl }
`;

/** A line of NDJSON whose number is `data.value`. */
export const line = (value: number, source = 'counter', more: object = {}): string =>
  `${JSON.stringify({ source, timestamp: '2025-10-20T10:30:45.123Z', type: 'metric', data: { name: 'n', value }, ...more })}\n`;

/** A client that is connected; its errors are silent. */
export async function connectTo(address: { port: number } | { path: string }): Promise<Socket> {
  const socket =
    'path' in address
      ? connect({ path: address.path, allowHalfOpen: true })
      : connect({ port: address.port, host: '127.0.0.1', allowHalfOpen: true });
  sockets.push(socket);
  socket.on('error', () => {}).resume();
  await once(socket, 'connect');
  return socket;
}

/** Sends bytes on a connection of their own, ends it and waits for the server to end it too. */
export async function send(port: number, ...chunks: readonly (string | Uint8Array)[]): Promise<void> {
  const socket = await connectTo({ port });
  for (const chunk of chunks) socket.write(chunk);
  socket.end();
  await until(() => socket.closed || socket.readableEnded, 'the server ends the connection');
}

/** A client that sends numbered messages until it is stopped or sees the server's FIN, and closes then. */
export interface Sender {
  /** Messages written so far: 0 to `sent() - 1`. */
  sent(): number;
  /** Stops; resolves to how many messages were sent, once all of them have left and the connection is closed. */
  stop(): Promise<number>;
  /** Resolves once it has seen FIN and closed. */
  readonly closed: Promise<number>;
  /** Whether the connection ended before `stop` was called. */
  isCut(): boolean;
}

/** Starts a sender; `pauseMs` after each block of `block` messages, without one it sends as fast as TCP takes it. */
export async function startSender(
  port: number,
  {
    source = 'counter',
    block = 20,
    pauseMs,
    more,
  }: { source?: string; block?: number; pauseMs?: number; more?: object } = {},
): Promise<Sender> {
  const socket = await connectTo({ port });
  let sent = 0;
  let isStopped = false;
  let isCut = false;
  const onEnd = () => {
    isCut ||= !isStopped;
    isStopped = true;
  };
  socket.on('end', onEnd).on('close', onEnd);
  const send = async (): Promise<number> => {
    while (!isStopped) {
      let text = '';
      for (let i = 0; i < block; i++) text += line(sent + i, source, more);
      sent += block;
      if (!socket.write(text)) await drained(socket);
      await (pauseMs === undefined ? nextTurn() : pause(pauseMs));
    }
    socket.end();
    await until(() => socket.closed, 'the connection of a sender is closed');
    return sent;
  };
  const closed = send();
  return {
    sent: () => sent,
    stop() {
      isStopped = true;
      return closed;
    },
    closed,
    isCut: () => isCut,
  };
}

/** Resolves when a socket takes more, or is gone; an error is no news. */
const drained = (socket: Socket) =>
  new Promise<void>((resolve) => {
    if (socket.destroyed) resolve();
    socket.once('drain', resolve).once('close', resolve);
  });

/** The lines of all `.jsonl` files below a folder, in order of their names; none when it is not there. */
export function linesBelow(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.jsonl'),
  );
  return names.sort().flatMap((name) => linesOf(join(folder, name)));
}

/**
 * The whole lines of a file; none when it is not there. While it is written, its end may be within a line: other processes
 * see a long write before all of it is there.
 */
export function linesOf(path: string): string[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .filter((text) => text !== '');
}

/** Numbers of the lines of a source, in order. */
export const numbersOf = (lines: readonly string[], source = 'counter'): number[] =>
  lines
    .filter((text) => text.startsWith(`{"source":"${source}",`))
    .map((text) => Number(/"value":(\d+)/.exec(text)?.[1]));

/** What is wrong with numbers that should be 0 to `count - 1`, each once. */
export function faultsOf(numbers: readonly number[], count: number) {
  const seen = new Set(numbers);
  const missing = Array.from({ length: count }, (_, n) => n).filter((n) => !seen.has(n));
  return {
    lost: missing.length,
    duplicated: numbers.length - seen.size,
    foreign: seen.size + missing.length - count,
  };
}

/** No fault. */
export const NO_FAULTS = { lost: 0, duplicated: 0, foreign: 0 };

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  server.close();
  await once(server, 'close');
  return port;
}
