const WINDOW = 1000;
const WINDOW_BYTES = 2 ** 20;

type Frame = string | Uint8Array;

/**
 * The frames that wait, the oldest first. With acknowledgements some of them are out already: on the connection, but
 * not acknowledged, as many as the sidecar's window has room for.
 */
export class Backlog {
  /** Bytes of all of them. */
  bytes = 0;
  readonly #limitBytes: number;
  #frames: Frame[] = [];
  #out = 0;
  #outBytes = 0;
  #window = WINDOW;
  #windowBytes = WINDOW_BYTES;

  /** `limitBytes`: most bytes of all of them. */
  constructor(limitBytes: number) {
    this.#limitBytes = limitBytes;
  }

  get length(): number {
    return this.#frames.length;
  }

  /** Appends a frame; false if it has no room. The last fifth is for what is important; a frame alone has always room. */
  add(frame: Frame, important: boolean): boolean {
    const bytes = Buffer.byteLength(frame);
    if (this.#frames.length > 0 && bytes > this.#limitBytes * (important ? 1 : 0.8) - this.bytes) return false;
    this.#frames.push(frame);
    this.bytes += bytes;
    return true;
  }

  /** The oldest that is not out; undefined without one. */
  next(): Frame | undefined {
    return this.#frames[this.#out];
  }

  /** Whether the window has room for another; the last may reach over its edge. */
  get hasWindow(): boolean {
    return this.#out < this.#window && (this.#out === 0 || this.#outBytes < this.#windowBytes);
  }

  /** How much may be out: records and bytes, as the sidecar says. */
  widen(window: number | undefined, windowBytes: number | undefined): void {
    this.#window = window ?? this.#window;
    this.#windowBytes = windowBytes ?? this.#windowBytes;
  }

  /** What `next` gave is out. */
  putOut(frame: Frame): void {
    this.#out++;
    this.#outBytes += Buffer.byteLength(frame);
  }

  /** None is out: the connection is another. */
  takeBack(): void {
    this.#out = this.#outBytes = 0;
  }

  /** Takes the oldest away. */
  remove(count: number): void {
    for (const [nth, frame] of this.#frames.splice(0, count).entries()) {
      const bytes = Buffer.byteLength(frame);
      this.bytes -= bytes;
      if (nth < this.#out) this.#outBytes -= bytes;
    }
    this.#out = Math.max(0, this.#out - count);
  }

  /** Takes all but the oldest away; how many these were. */
  cut(kept: number): number {
    const cut = this.#frames.splice(kept);
    for (const frame of cut) this.bytes -= Buffer.byteLength(frame);
    return cut.length;
  }
}
