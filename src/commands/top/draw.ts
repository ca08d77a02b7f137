import { z } from 'zod';
import { duration } from '../text/duration.ts';
import { widthOf } from '../text/width.ts';

/** What is drawn of an overview. */
export const overviewShape = z.object({
  time: z.string(),
  version: z.string(),
  uptime_s: z.number(),
  readiness: z.object({ ready: z.boolean(), reasons: z.array(z.string()), warnings: z.array(z.string()) }),
  drops: z.object({
    rejected: z.number(),
    shed: z.number(),
    dead_lettered: z.number(),
    sdk: z.number(),
  }),
  jobs: z.object({ running: z.array(z.unknown()), failed: z.array(z.unknown()) }),
  last_reload: z.object({ time: z.string(), result: z.string(), errors: z.array(z.string()) }).nullable(),
});

/** What is drawn of health. */
export const healthShape = z.object({
  backends: z.array(
    z.object({
      backend: z.string(),
      type: z.string(),
      circuit: z.string(),
      next_probe_ms: z.number(),
      queue: z.object({
        messages: z.number(),
        bytes: z.number(),
        max_bytes: z.number(),
        oldest_ms: z.number(),
      }),
      in_per_s: z.number(),
      out_per_s: z.number(),
      retries: z.number(),
      outcomes: z.array(z.object({ outcome: z.string(), messages: z.number() })),
      spool: z.object({ messages: z.number(), bytes: z.number() }),
      last_error: z.string(),
    }),
  ),
  ingest: z.object({
    connections: z.number(),
    messages: z.number(),
    messages_per_s: z.number(),
    bytes_per_s: z.number(),
    sources: z.array(z.object({ source: z.string(), messages: z.number(), messages_per_s: z.number() })),
  }),
  process: z.object({
    rss_bytes: z.number(),
    event_loop_lag_ms: z.object({ p50: z.number(), p99: z.number(), max: z.number() }),
  }),
});

type Overview = z.output<typeof overviewShape>;
type Health = z.output<typeof healthShape>;
type Backend = Health['backends'][number];

/** Sources that are listed. */
const MAX_SOURCES = 10;

/** The screen, line by line. */
export function draw(overview: Overview, { backends, ingest, process: own }: Health): readonly string[] {
  const { readiness, drops, jobs } = overview;
  const lag = own.event_loop_lag_ms;
  const busiest = [...ingest.sources].sort((a, b) => b.messages_per_s - a.messages_per_s);
  return [
    `sidecar ${overview.version}, up ${duration(overview.uptime_s * 1000)}, ${readiness.ready ? 'ready' : 'NOT READY'}, at ${overview.time.slice(11, 19)} UTC`,
    `in       ${rate(ingest.messages_per_s)} messages/s, ${bytes(ingest.bytes_per_s)}/s, ${ingest.connections} connections, ${count(ingest.messages)} messages in all`,
    `dropped  ${count(drops.rejected)} rejected, ${count(drops.shed)} shed, ${count(drops.dead_lettered)} dead letters, ${count(drops.sdk)} by SDKs`,
    `jobs     ${jobs.running.length} running, ${jobs.failed.length} failed within the hour`,
    `process  ${bytes(own.rss_bytes)}, timers late by ${lag.p50.toFixed(1)} / ${lag.p99.toFixed(1)} / ${lag.max.toFixed(1)} ms (p50 / p99 / worst)`,
    `reload   ${reloadOf(overview.last_reload)}`,
    ...[...readiness.reasons, ...readiness.warnings].map((text) => `!        ${text}`),
    '',
    ...table(BACKENDS, backends.map(rowOf)),
    '',
    ...table(
      ['SOURCE', '/S', 'MESSAGES'],
      busiest
        .slice(0, MAX_SOURCES)
        .map(({ source, messages, messages_per_s }) => [source, rate(messages_per_s), count(messages)]),
    ),
  ];
}

const reloadOf = (last: Overview['last_reload']) =>
  last === null ? 'none' : [`${last.result} at ${last.time.slice(11, 19)} UTC`, ...last.errors].join('; ');

const BACKENDS = [
  'BACKEND',
  'TYPE',
  'CIRCUIT',
  'IN/S',
  'OUT/S',
  'QUEUE',
  'FULL',
  'OLDEST',
  'SPOOL',
  'RETRIES',
  'SHED',
  'DEAD',
  'LAST ERROR',
];

function rowOf({ queue, spool, outcomes, ...one }: Backend): readonly string[] {
  const sum = (wanted: string) =>
    count(outcomes.reduce((all, { outcome, messages }) => all + (outcome === wanted ? messages : 0), 0));
  return [
    one.backend,
    one.type,
    one.next_probe_ms > 0 ? `${one.circuit}, probe in ${duration(one.next_probe_ms)}` : one.circuit,
    rate(one.in_per_s),
    rate(one.out_per_s),
    count(queue.messages),
    `${queue.max_bytes === 0 ? 0 : Math.round((queue.bytes / queue.max_bytes) * 100)} %`,
    queue.oldest_ms === 0 ? '-' : duration(queue.oldest_ms),
    spool.messages === 0 ? '-' : `${count(spool.messages)} (${bytes(spool.bytes)})`,
    count(one.retries),
    sum('shed'),
    sum('dead_lettered'),
    one.last_error,
  ];
}

/** Columns as wide as their widest cell. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): readonly string[] {
  const all = [head, ...rows];
  const widths = head.map((_, at) => Math.max(...all.map((row) => widthOf(row[at] ?? ''))));
  const pad = (cell: string, at: number) => cell + ' '.repeat(Math.max(0, (widths[at] ?? 0) - widthOf(cell)));
  return all.map((row) => row.map(pad).join('  ').trimEnd());
}

const count = (value: number) => Math.round(value).toLocaleString('en');
const rate = (value: number) => (value < 100 ? value.toFixed(1) : count(value));

function bytes(value: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let at = 0;
  for (; value >= 1024 && at < units.length - 1; at++) value /= 1024;
  return `${at === 0 ? Math.round(value) : value.toFixed(1)} ${units[at]}`;
}
