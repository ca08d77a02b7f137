import { toMsgpack } from './msgpack.ts';
import type { Settings } from './settings.ts';
import { newId } from './spans.ts';
import { MAX_KEYS, MAX_RECORD_BYTES, type Plain, toJson } from './values.ts';

export const VERSION = '0.1.0';

export type Fields = { [key: string]: Plain };

/** How far the system's clock, which tells whole milliseconds, may be from the finer one before that is set by it. */
const CLOCK_MS = 2;
let originMs = performance.timeOrigin;

/** Microseconds of the epoch. The system's clock may be set, and goes on while the machine sleeps; the finer one does not. */
export function nowUs(): number {
  const sinceMs = performance.now();
  const aheadMs = Date.now() - (originMs + sinceMs);
  if (Math.abs(aheadMs) > CLOCK_MS) originMs += aheadMs;
  return Math.round((originMs + sinceMs) * 1000);
}

/** Makes the frames of one client. */
export class Frames {
  readonly #settings: Settings;
  readonly #session = newId(16);
  #second = 0;
  #stamp = '';

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** What every record begins with. */
  envelope(type: string): Fields {
    const us = nowUs();
    const second = Math.floor(us / 1e6);
    if (second !== this.#second) {
      this.#second = second;
      this.#stamp = new Date(second * 1000).toISOString().slice(0, 19);
    }
    const ms = String(Math.floor((us % 1e6) / 1000)).padStart(3, '0');
    return { source: this.#settings.source, timestamp: `${this.#stamp}.${ms}Z`, ts_us: us, type };
  }

  encode(record: Fields): string | Uint8Array {
    return this.#settings.isMsgpack ? toMsgpack(record) : `${toJson(record)}\n`;
  }

  /** A record with `extra` as the member `slot` of its data, which is left out where the whole is too large; else undefined. */
  record(type: string, ids: Fields, core: Fields, slot: string, extra: Fields, seq?: number): string | Uint8Array | undefined {
    const data: Fields = { ...core };
    const keys = Object.keys(extra);
    if (keys.length > 0) data[slot] = Object.fromEntries(keys.sort().slice(0, MAX_KEYS).map((key) => [key, extra[key] as Plain]));
    const record: Fields = { ...this.envelope(type), ...ids, data };
    if (seq !== undefined) record.seq = seq;
    let frame = this.encode(record);
    if (Buffer.byteLength(frame) > MAX_RECORD_BYTES && keys.length > 0) {
      data[slot] = { _truncated: true };
      frame = this.encode(record);
    }
    return Buffer.byteLength(frame) > MAX_RECORD_BYTES ? undefined : frame;
  }

  /** `ping` or `bye`. */
  control(type: string): string | Uint8Array {
    return this.encode({ ...this.envelope(type), data: {} });
  }

  /** What a connection begins with whose client has a token to show, or wants to hear of its records. */
  hello(): string | Uint8Array {
    const { ack, token } = this.#settings;
    const data: Fields = { v: 1, sdk: `node/${VERSION}`, pid: process.pid };
    if (ack !== '') Object.assign(data, { session: this.#session, ack });
    if (token !== '') data.token = token;
    return this.encode({ ...this.envelope('hello'), data });
  }
}
