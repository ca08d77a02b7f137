/**
 * A destination for pino: each line becomes an event.
 *
 *     const logger = pino({}, destination(init({ source: 'queue-service' })));
 */
import type { Client } from './client.ts';

const LEVELS: readonly (readonly [number, string])[] = [
  [60, 'fatal'],
  [50, 'error'],
  [40, 'warn'],
  [30, 'info'],
  [20, 'debug'],
];

function levelOf(level: unknown): string {
  if (typeof level !== 'number') return typeof level === 'string' ? level : 'info';
  return LEVELS.find(([least]) => level >= least)?.[1] ?? 'trace';
}

/** What pino writes to. Asked to, it leaves here what a line's level and message are, whatever the line calls them. */
export interface Destination {
  lastLevel?: number;
  lastMsg?: string;
  write(line: string): void;
}

/** Level, message and the rest as context; time, process and host are the record's own. */
export const destination = (client: Client): Destination => ({
  [Symbol.for('pino.metadata')]: true,
  write(line) {
    try {
      const { level, msg, time: _time, pid: _pid, hostname: _host, ...context } = JSON.parse(line);
      client.logEvent(levelOf(level ?? this.lastLevel), msg ?? this.lastMsg ?? '', context);
    } catch {
      client.logEvent('info', line.trimEnd());
    }
  },
});
