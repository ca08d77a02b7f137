import { connect, type Socket } from 'node:net';
import { Backlog } from './backlog.ts';
import { type Dropped, noneDropped, type Reason } from './dropped.ts';
import { Standing } from './standing.ts';

const BACKOFF_MS = 100;
const BACKOFF_MAX_MS = 5000;
const LINGER_MS = 200;
/** How long a connection that the sidecar has ended may take to finish a record. */
const FINISH_MS = 5000;
const HEARD_CHARS = 65_536; // a sidecar has less to say in one line

export interface LinkOptions {
  readonly host: string;
  readonly port: number;
  /** Most bytes of the backlog. */
  readonly limitBytes: number;
  /** Told when records begin to be lost and when that ends. */
  readonly notice: (text: string) => void;
  /** What a connection begins with, if anything. */
  readonly hello: (() => string | Uint8Array) | undefined;
  /** Whether `notice` is told of each connection. */
  readonly debug: boolean;
  readonly ack: boolean;
}

/**
 * One connection to the sidecar and the bounded backlog in front of it. While it is up and nothing waits, a frame is in
 * the kernel when `offer` returns: libuv writes at once what it can. A frame that the kernel took in part stays in the
 * backlog until Node.js says that it is written, and starts again on the next connection if this one is lost before. With
 * `ack`, what was sent stays there until it is acknowledged, and is sent again on the next connection.
 */
export class Link {
  accepted = 0;
  sent = 0;
  connects = 0;
  seq = 0;
  up = false;
  dropped = noneDropped();
  loss: Dropped | undefined;
  readonly #options: LinkOptions;
  readonly #backlog: Backlog;
  /** The connection, or the one before, that the first of the frames is being written to. */
  #writing: Socket | undefined;
  #losing: Dropped | undefined;
  #socket: Socket | undefined;
  #retry: NodeJS.Timeout | undefined;
  #step = 0;
  #upMs = 0;
  #heard = '';
  readonly #standing = new Standing();
  #closed = false;
  #waiting: (() => void)[] = [];

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#backlog = new Backlog(options.limitBytes);
    this.#connect();
  }

  get queued(): number {
    return this.#backlog.length;
  }

  get queuedBytes(): number {
    return this.#backlog.bytes;
  }

  /** Sends the frame or queues it; false if it was dropped. */
  offer(frame: string | Uint8Array, important: boolean): boolean {
    if (!this.#backlog.add(frame, important)) return this.drop('full');
    this.accepted++;
    this.seq++;
    this.#drain();
    return true;
  }

  /** Counts a record that will not be sent; false. */
  drop(why: Reason): boolean {
    if (why === 'full' && this.#losing === undefined) {
      this.#losing = { ...this.dropped };
      this.#options.notice(`no sidecar at ${this.#where} takes records and the buffer is full: dropping`);
    }
    this.accepted++;
    this.dropped[why]++;
    return false;
  }

  /** Sends a control message, if the connection is up. */
  say(message: string | Uint8Array): void {
    if (this.up) this.#socket?.write(message);
  }

  /** Whether nothing is left to send, with `ack` to be acknowledged, within `ms`; gives up after `absentMs` without a connection. */
  async emptied(ms: number, absentMs: number): Promise<boolean> {
    const startMs = performance.now();
    if (!this.up) this.#retryNow();
    this.#socket?.ref();
    try {
      while (this.queued > 0 || (this.#socket?.writableLength ?? 0) > 0) {
        const passedMs = performance.now() - startMs;
        if (passedMs >= ms || (!this.up && passedMs >= absentMs)) return false;
        await new Promise<void>((resolve) => {
          this.#waiting.push(resolve);
          setTimeout(resolve, 20);
        });
      }
      return true;
    } finally {
      this.#socket?.unref();
    }
  }

  /** Resolves once the connection is up, or `ms` have passed; whether it is. */
  async connected(ms: number): Promise<boolean> {
    const startMs = performance.now();
    this.#socket?.ref();
    while (!this.up && performance.now() - startMs < ms) await new Promise((resolve) => setTimeout(resolve, 5));
    this.#socket?.unref();
    return this.up;
  }

  /** Closes for good; what is queued counts as dropped, but for a frame that can be finished meanwhile. */
  async end(): Promise<void> {
    const socket = this.#socket;
    if (socket === undefined || this.#writing !== socket) this.#writing = undefined;
    this.dropped.closed += this.#backlog.cut(this.#writing === undefined ? 0 : 1);
    this.#closed = true;
    clearTimeout(this.#retry);
    if (socket === undefined || !this.up) {
      socket?.destroy();
      return;
    }
    await new Promise<void>((resolve) => {
      const linger = setTimeout(() => socket.destroy(), LINGER_MS);
      socket.once('close', () => {
        clearTimeout(linger);
        resolve();
      });
      // The sidecar closes its half once it has read all; without a hello it says nothing, and there is nothing to wait for.
      socket.end(() => {
        if (this.#options.hello === undefined) socket.destroy();
      });
      socket.ref();
    });
    this.up = false;
    this.dropped.closed += this.#backlog.cut(0);
  }

  get #where(): string {
    return `${this.#options.host}:${this.#options.port}`;
  }

  #connect(): void {
    if (this.#closed) return;
    const { host, port } = this.#options;
    const target = host.startsWith('/') ? { path: host } : { host: host.toLowerCase() === 'localhost' ? '127.0.0.1' : host, port };
    const socket = connect({ ...target, allowHalfOpen: true, noDelay: true });
    this.#socket = socket;
    socket.unref();
    socket.on('connect', () => this.#opened(socket));
    socket.on('data', (bytes) => this.#hear(bytes.toString()));
    // The sidecar drains: what is written is still read; the next frame goes to the next connection, once this one is.
    socket.on('end', () => {
      socket.end();
      this.#lose(socket);
      setTimeout(() => socket.destroy(), FINISH_MS).unref();
    });
    for (const event of ['error', 'close']) {
      socket.on(event, () => {
        this.#lose(socket);
        if (this.#writing !== socket) return;
        this.#writing = undefined;
        this.#drain();
      });
    }
  }

  #opened(socket: Socket): void {
    const { localPort } = socket;
    if (localPort !== undefined && localPort === socket.remotePort && socket.localAddress === socket.remoteAddress) {
      socket.destroy(); // TCP may connect to itself where nothing listens; a Unix socket has no port
      return;
    }
    this.up = true;
    this.#upMs = performance.now();
    this.connects++;
    if (this.#options.debug) this.#options.notice(`connected to ${this.#where}`);
    this.#standing.begin();
    this.#backlog.takeBack();
    const { hello } = this.#options;
    if (hello !== undefined) socket.write(hello(), () => this.#drain());
    this.#drain();
  }

  /** One attempt a backoff step, with full jitter. A connection that lived for a second has earned one at once. */
  #lose(socket: Socket): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    if (this.up && performance.now() - this.#upMs > 1000) this.#step = 0;
    if (this.up && this.#options.debug) this.#options.notice(`lost the connection to ${this.#where}`);
    this.up = false;
    this.#heard = '';
    this.#backlog.takeBack();
    if (this.#closed) return;
    const limitMs = this.#step === 0 ? 0 : Math.min(BACKOFF_MS * 2 ** (this.#step - 1), BACKOFF_MAX_MS);
    this.#step++;
    this.#retry = setTimeout(() => this.#connect(), limitMs * Math.random());
    this.#retry.unref();
  }

  #retryNow(): void {
    if (this.#socket !== undefined || this.#closed) return;
    clearTimeout(this.#retry);
    this.#connect();
  }

  #maySend(): boolean {
    if (!this.up || this.#writing !== undefined || this.#standing.isOver) return false;
    // Whoever has no hello to say cannot be welcomed, only let in.
    if (this.#standing.isRefused && this.#options.hello !== undefined) return false;
    const socket = this.#socket;
    // An error is told later, but what is written after it is gone.
    if (socket === undefined || socket.writableLength > 0 || socket.errored) return false;
    return !this.#options.ack || this.#backlog.hasWindow;
  }

  #drain(): void {
    const { ack } = this.#options;
    for (let frame = this.#backlog.next(); frame !== undefined && this.#maySend(); frame = this.#backlog.next()) {
      const socket = this.#socket as Socket;
      socket.write(frame, (error) => this.#written(socket, error));
      if (ack) this.#backlog.putOut(frame);
      else if (socket.errored) break;
      else if (socket.writableLength > 0) this.#writing = socket;
      else this.#sent();
    }
    if (this.queued > 0) return;
    for (const resolve of this.#waiting.splice(0)) resolve();
    const then = this.#losing;
    if (then === undefined) return;
    const reasons = Object.keys(then) as Reason[];
    this.loss = Object.fromEntries(reasons.map((reason) => [reason, this.dropped[reason] - then[reason]])) as Dropped;
    this.#losing = undefined;
    this.#options.notice(`delivering again; ${this.loss.full} records were dropped`);
  }

  /** The kernel has what was written; of frames that it took at once this comes late, and says nothing new. */
  #written(socket: Socket, error: Error | null | undefined): void {
    // Of a socket that was destroyed it comes without an error, though nothing was written.
    if (error != null || socket.destroyed || socket.writableLength > 0) return;
    if (this.#writing === socket) {
      this.#writing = undefined;
      this.#sent();
    }
    this.#drain();
  }

  #sent(): void {
    this.sent++;
    this.#standing.sent();
    this.#backlog.remove(1);
  }

  /** Its messages are lines of compact JSON; what comes with anything else is not looked at, and sent again what is not acknowledged. */
  #hear(text: string): void {
    const lines = (this.#heard + text).split('\n');
    this.#heard = (lines.pop() ?? '').slice(-HEARD_CHARS);
    for (const line of lines) {
      try {
        this.#understand(JSON.parse(line), line);
      } catch {
        this.#heard = '';
        break;
      }
    }
    this.#drain();
  }

  #understand({ type, data }: { type: string; data: Record<string, number> }, line: string): void {
    if (type === 'error') {
      // Told once. What was sent is not taken; what comes waits for a welcome.
      if (!this.#standing.isRefused) this.#options.notice(`the sidecar at ${this.#where} refuses: ${line}`);
      const lost = this.#standing.refuse();
      this.sent -= lost;
      this.dropped.refused += lost;
    }
    if (type === 'welcome') {
      this.#standing.welcome();
      this.#backlog.widen(data.window, data.window_bytes);
    }
    if (!this.#options.ack || !['welcome', 'ack', 'nack'].includes(type)) return;
    const count = Math.min((data.last_seq ?? data.seq ?? 0) - (this.seq - this.queued), this.queued);
    if (!(count > 0)) return;
    const refused = type === 'nack' ? 1 : 0;
    this.dropped.refused += refused;
    this.sent += count - refused;
    this.#backlog.remove(count);
  }
}
