import { styleText } from 'node:util';
import { type DestinationStream, pino } from 'pino';
import type { Log } from './context.ts';
import { systemText } from './system-text.ts';
import { visible } from './visible.ts';

export interface LogOptions {
  readonly level: string;
  /** One readable line an entry instead of JSON. */
  readonly human: boolean;
  /** Colours, for a terminal. */
  readonly colour: boolean;
}

/** What waits for a reader who does not read; past it, entries are dropped. */
const MAX_WAITING_BYTES = 1_048_576;

/** A log that can be given up. */
export interface OwnLog extends Log {
  /** Resolves once all that was logged is written; never, where nobody reads. */
  written(): Promise<void>;
  /** Drops what nobody has read yet, without which the process could not end, and all that is logged from now on. */
  abandon(): void;
}

/** The sidecar's own log, to a file descriptor; neither a reader who does not read nor a full disk holds up the sidecar. */
export function createLog(fd: number, { level, human, colour }: LogOptions): OwnLog {
  // Without a least length, flush() would not wait for what is being written.
  const out = pino.destination({ fd, sync: false, minLength: 1, maxLength: MAX_WAITING_BYTES });
  // On a full disk, what waits is written once there is room.
  out.on('error', () => {});
  const base = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  const formatters = { level: (label: string) => ({ level: label }) };
  let isAbandoned = false;
  const abandon = () => {
    isAbandoned = true;
    out.destroy();
  };
  const written = () => new Promise<void>((done) => out.flush(() => done()));
  const textOfEntry = human ? (entry: string) => `${lineOf(entry, colour)}\n` : (entry: string) => entry;
  const lines: DestinationStream = {
    write: (entry) => {
      if (!isAbandoned) out.write(systemText(textOfEntry(entry)));
    },
  };
  return Object.assign(pino({ ...base, formatters }, lines), { written, abandon });
}

const COLOURS = { debug: 'gray', info: 'green', warn: 'yellow', error: 'red' } as const;

/** `22:15:03.123 WARN  Backend fails: breaker open  backend=files error="…"`. */
function lineOf(entry: string, colour: boolean): string {
  const { level, time, msg, ...fields } = JSON.parse(entry) as Record<string, unknown>;
  const name = String(level);
  const label = name.toUpperCase().padEnd(5);
  const painted = colour && name in COLOURS ? styleText(COLOURS[name as keyof typeof COLOURS], label) : label;
  const rest = Object.entries(fields).map(([key, value]) => `${key}=${textOf(value)}`);
  return [String(time).slice(11, 23), painted, visible(String(msg)), '', ...rest].join(' ').trimEnd();
}

const textOf = (value: unknown) => visible(typeof value === 'string' ? value : JSON.stringify(value));
