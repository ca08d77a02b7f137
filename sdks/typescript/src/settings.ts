import { basename } from 'node:path';
import { cleanText } from './values.ts';

/** What `before_send` is shown, and may edit. */
export interface OutgoingRecord {
  readonly type: string;
  data: Record<string, unknown>;
}

/** Options of a client; what is not given comes from the environment (`MONITORING_…`), else is the default. */
export interface Options {
  /** Name of the service; else `MONITORING_SOURCE`, `OTEL_SERVICE_NAME`, the script's name. */
  readonly source?: string | undefined;
  /** Default 127.0.0.1; a path is a Unix socket. */
  readonly tcpHost?: string | undefined;
  /** Default 17000. */
  readonly tcpPort?: number | undefined;
  /** Events below it are left out; default `trace`. */
  readonly level?: string | undefined;
  /** Size of the backlog; default 1 MiB. */
  readonly bufferBytes?: number | undefined;
  /** Context from the start; also as `a=1,b=2`. */
  readonly tags?: Readonly<Record<string, unknown>> | string | undefined;
  readonly jobId?: string | undefined;
  readonly protocol?: 'ndjson' | 'msgpack' | undefined;
  /** No socket, every call returns at once; also `OTEL_SDK_DISABLED`. */
  readonly disabled?: boolean | undefined;
  /** Nothing on stderr. */
  readonly quiet?: boolean | undefined;
  /** Each connection is told of on stderr. */
  readonly debug?: boolean | undefined;
  /** Records are kept until the sidecar acknowledges them. */
  readonly ack?: 'memory' | 'disk' | '' | undefined;
  readonly token?: string | undefined;
  /** Returns the record, edited, or `undefined` to leave it out. */
  readonly beforeSend?: ((record: OutgoingRecord) => OutgoingRecord | undefined) | undefined;
}

export interface Settings {
  readonly source: string;
  readonly host: string;
  readonly port: number;
  readonly rank: number;
  readonly bufferBytes: number;
  readonly tags: Readonly<Record<string, unknown>>;
  readonly jobId: string | undefined;
  readonly isMsgpack: boolean;
  readonly disabled: boolean;
  readonly quiet: boolean;
  readonly debug: boolean;
  readonly ack: string;
  readonly token: string;
  readonly beforeSend: Options['beforeSend'];
  readonly unknown: readonly string[];
}

const RANKS: Readonly<Record<string, number>> = {
  trace: 1, verbose: 1, debug: 2, info: 3, notice: 3, warn: 4, warning: 4, error: 5, err: 5,
  fatal: 6, critical: 6, crit: 6, alert: 6, emerg: 6, emergency: 6, panic: 6,
};
const KNOWN = ['source', 'tcpHost', 'tcpPort', 'level', 'bufferBytes', 'tags', 'jobId', 'protocol', 'disabled', 'quiet', 'debug', 'ack', 'token', 'beforeSend'];

/** Rank of a level or one of its aliases; 3, info's, for any other. */
export const rankOf = (level: string): number => RANKS[level.toLowerCase()] ?? 3;

/** Those that are given; none where they cannot be read. */
export function givenOf(options: Options): Options {
  try {
    return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
  } catch {
    return {};
  }
}

/** Never throws: what makes no sense is the default. */
export function readSettings(options: Options): Settings {
  const given = givenOf(options);
  const env = process.env;
  const of = (option: unknown, name: string, otherwise: unknown = ''): unknown => option ?? (env[`MONITORING_${name}`] || otherwise);
  const text = (option: unknown, name: string, otherwise = '') => cleanText(of(option, name, otherwise));
  const name = cleanText(given.source ?? (env.MONITORING_SOURCE || env.OTEL_SERVICE_NAME || basename(process.argv[1] ?? '') || 'node'));
  const ack = text(given.ack, 'ACK').toLowerCase();
  const job = given.jobId ?? (env.MONITORING_JOB_ID || undefined);
  return {
    source: name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '?').slice(0, 128) || 'node',
    host: text(given.tcpHost, 'HOST', '127.0.0.1'),
    port: whole(of(given.tcpPort, 'PORT', 17000), 65535, 17000),
    rank: rankOf(text(given.level, 'LEVEL', 'trace')),
    bufferBytes: whole(of(given.bufferBytes, 'BUFFER_BYTES', 2 ** 20), 1e9, 2 ** 20),
    tags: tagsOf(of(given.tags, 'TAGS')),
    jobId: job === undefined ? undefined : cleanText(job),
    isMsgpack: text(given.protocol, 'PROTOCOL').toLowerCase() === 'msgpack',
    disabled: isOn(of(given.disabled, 'DISABLED')) || isOn(env.OTEL_SDK_DISABLED ?? ''),
    quiet: isOn(of(given.quiet, 'QUIET')),
    debug: isOn(of(given.debug, 'DEBUG')),
    ack: ack === 'memory' || ack === 'disk' ? ack : '',
    token: text(given.token, 'TOKEN'),
    beforeSend: typeof given.beforeSend === 'function' ? given.beforeSend : undefined,
    unknown: Object.keys(given).filter((key) => !KNOWN.includes(key)),
  };
}

function whole(value: unknown, most: number, otherwise: number): number {
  const number = Number(value);
  return Number.isInteger(number) && number >= 1 && number <= most ? number : otherwise;
}

const isOn = (value: unknown) => !/^(0|false|no|off|)$/i.test(cleanText(value));

function tagsOf(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null) return value as Record<string, unknown>;
  const pairs = cleanText(value).split(',').map((pair) => /^([^=]+)=(.*)$/s.exec(pair));
  return Object.fromEntries(pairs.flatMap((pair) => (pair === null ? [] : [[pair[1], pair[2]]])));
}
