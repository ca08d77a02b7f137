import { hostname } from 'node:os';
import type { AggregationOptions } from '../aggregate/aggregation.ts';
import type { BackendConfig, Config } from '../config/schema.ts';
import type { WatchSettings } from '../config/watch.ts';
import type { StoreLimits } from '../correlate/store.ts';
import type { LetterBounds } from '../deliver/dead-letters.ts';
import type { LaneOptions } from '../deliver/lane.ts';
import type { SpoolUse } from '../deliver/spools.ts';
import type { BatchLimits } from '../flow/batch-by-key.ts';
import type { DecodeOptions } from '../ingest/detect.ts';
import type { ListenOptions } from '../ingest/listen.ts';
import type { NormaliseOptions } from '../ingest/normalise.ts';
import type { JournalLimits } from '../journal.ts';
import type { Message } from '../message.ts';
import { compileFilter } from '../route/filter.ts';
import { severityOf } from '../severity.ts';
import { pipelinesOf } from './draft.ts';

/** Bound of all open batches together: what waits for its batch to fill, over all sources. */
const MAX_OPEN_BATCH_BYTES = 32 * 1024 * 1024;

/** Which messages do not wait for their batch: events of the level, the types named, the fields matched. */
export function compileCritical({ level, types, match }: Config['critical']): (message: Message) => boolean {
  const least = level === 'never' ? Number.POSITIVE_INFINITY : severityOf(level);
  const named = new Set(types);
  const matches = match && compileFilter({ match }, { random: () => 0 });
  if (named.size === 0 && matches === undefined) return (message) => message.severity >= least;
  return (message) => message.severity >= least || named.has(message.type) || (matches?.(message) ?? false);
}

/** When a source's batch closes. */
export const batchLimits = ({ batch, critical }: Config): BatchLimits<Message> => ({
  maxCount: batch.max_count,
  maxAgeMs: batch.max_age,
  maxBytes: batch.max_bytes,
  maxOpenBytes: MAX_OPEN_BATCH_BYTES,
  isUrgent: compileCritical(critical),
});

/** What is added to every record. */
export const normaliseOptions = ({ enrich }: Config): NormaliseOptions => ({
  host: enrich.host === true ? hostname() : enrich.host || '',
  tags: enrich.tags,
});

/** Bounds of what is remembered of jobs and traces. */
export const storeLimits = ({ correlation }: Config): StoreLimits => ({
  maxTraces: correlation.max_traces,
  maxMessages: correlation.max_messages,
  maxMessagesPerTrace: correlation.max_messages_per_trace,
  maxBytes: correlation.max_bytes,
});

/** How metrics are summed up. */
export const aggregationOptions = ({ metrics }: Config): AggregationOptions => ({
  enabled: metrics.aggregate,
  windowMs: metrics.window,
  graceMs: metrics.grace,
  maxSeries: metrics.max_series,
  emit: metrics.emit,
});

/** Bounds of what is remembered of messages' ways. */
export const journalLimits = ({ journal }: Config): JournalLimits => ({
  maxMessages: journal.max_messages,
  maxBytes: journal.max_bytes,
});

/** Bounds of what a client may send; `pageUrl` is where the web page really is, '' if there is none. */
export const decodeOptions = ({ limits, auth }: Config, pageUrl = ''): DecodeOptions => ({
  maxFrameBytes: limits.max_frame,
  frameTimeoutMs: limits.frame_timeout,
  token: auth.token ?? '',
  pageUrl,
});

/** Sends at a time where neither the configuration nor the sink says otherwise. */
const CONCURRENCY = 4;

/** `configHash` names the configuration that opened the lane, for its dead letters. */
export const laneOptions = (
  backend: BackendConfig,
  configHash: string,
  isCritical: (message: Message) => boolean,
  blocks?: () => boolean,
): LaneOptions => ({
  queueMaxBytes: backend.queue.max_bytes,
  concurrency: backend.concurrency ?? CONCURRENCY,
  sendTimeoutMs: backend.timeout,
  merge: backend.batch && {
    ...(backend.batch.max_count !== undefined && { maxMessages: backend.batch.max_count }),
    ...(backend.batch.max_bytes !== undefined && { maxBytes: backend.batch.max_bytes }),
    ...(backend.batch.max_age !== undefined && { maxAgeMs: backend.batch.max_age }),
  },
  retry: {
    initialMs: backend.retry.initial,
    maxMs: backend.retry.max,
    maxAttempts: backend.retry.max_attempts ?? Number.POSITIVE_INFINITY,
  },
  breaker: { failures: backend.breaker.failures, resetAfterMs: backend.breaker.reset_after },
  durability: backend.durability,
  isCritical,
  ...(blocks !== undefined && { blocks }),
  configHash,
});

/** The backends of rules that make the input wait. */
export const blockingBackends = ({ routing }: Config): ReadonlySet<string> =>
  new Set(
    Object.values(routing)
      .flat()
      .filter(({ enabled, when_full }) => enabled && when_full === 'block')
      .map(({ backend }) => backend),
  );

/** The part of a queue's bound that a spool may keep in memory of what is on disk already. */
const FRESH = 0.25;

/** Bounds of what waits on disk for a backend. */
export const spoolUse = ({ spool, queue, durability }: BackendConfig): Omit<SpoolUse, 'changed'> => ({
  maxBytes: spool.max_bytes,
  maxAgeMs: spool.max_age,
  durable: durability === 'disk',
  freshBytes: queue.max_bytes * FRESH,
});

/** What the ingest side listens on. */
export function listenOptions({ tcp, tls, limits, auth }: Config): readonly ListenOptions[] {
  const { max_connections: maxConnections } = limits;
  const guarded = auth.token !== undefined && { isGuarded: true };
  const secured = tls && {
    tls: {
      cert: tls.cert,
      key: tls.key,
      ...(tls.ca !== undefined && { ca: tls.ca }),
      clientCertificates: tls.client_certificates,
    },
  };
  return [
    ...(tcp.port === false
      ? []
      : [{ address: { host: tcp.host, port: tcp.port }, maxConnections, ...guarded, ...secured }]),
    ...(tcp.socket === undefined
      ? []
      : [{ address: { path: tcp.socket, mode: tcp.socket_mode }, maxConnections }]),
  ];
}

/** Where the HTTP side listens; `undefined`: nowhere. */
export const webAddress = ({ http }: Config) =>
  http.enabled ? { host: http.host, port: http.port, auth: http.auth, token: http.token } : undefined;

/** Bounds of the dead letters of a backend that is not in the configuration, or not any more. */
const LETTER_BOUNDS: LetterBounds = { maxBytes: 100 * 1024 * 1024, maxAgeMs: 30 * 86_400_000 };

/** Bounds of a backend's dead letters; `undefined` where it keeps none. */
export function letterBounds({ backends }: Config, backend: string): LetterBounds | undefined {
  const section = Object.hasOwn(backends, backend) ? backends[backend]?.dead_letters : undefined;
  if (section === undefined) return LETTER_BOUNDS;
  const { enabled, max_bytes, max_age } = section;
  return enabled ? { maxBytes: max_bytes, maxAgeMs: max_age } : undefined;
}

/** What of the disk is watched. */
export const watchSettings = (config: Config, path: string): WatchSettings => ({
  pipelines: pipelinesOf(config, path),
  debounceMs: config.reload.debounce,
  pollMs: config.reload.poll,
});
