import { styleText } from 'node:util';
import { merge, take } from 'rxjs';
import { z } from 'zod';
import { visible, visibleJson } from '../visible.ts';
import { EXIT, type Host } from './host.ts';
import { eventsOf, NoStream, type ServerEvent } from './http/events.ts';
import { NEEDS_TOKEN } from './http/token.ts';

/** As the command line has them. */
export interface TapOptions {
  /** Where the sidecar's HTTP side listens, e.g. `http://127.0.0.1:17001`. */
  readonly url: string;
  /** Absent: the one that the sidecar's own file has. */
  readonly token?: string | undefined;
  /** Where to listen: `ingest`, `route` or `backend`. */
  readonly at: string;
  /** A name or glob. */
  readonly source?: string | undefined;
  /** Separated by commas. */
  readonly type?: string | undefined;
  /** Of this level and above. */
  readonly level?: string | undefined;
  /** A text that is in the JSON. */
  readonly match?: string | undefined;
  readonly job?: string | undefined;
  readonly trace?: string | undefined;
  /** End after so many messages; absent: never. */
  readonly count?: number | undefined;
  /** A line for people; else JSON. */
  readonly human: boolean;
  readonly colour: boolean;
}

const messageShape = z.looseObject({
  received_at: z.string(),
  source: z.string(),
  type: z.string(),
  text: z.string(),
  level: z.string().optional(),
  job_id: z.string().optional(),
  backend: z.string().optional(),
  rule: z.string().optional(),
  outcome: z.string().optional(),
  reason: z.string().optional(),
});
const tailShape = z.object({
  messages: z.array(messageShape),
  sampled: z.object({ per_s: z.number(), rate: z.number() }).optional(),
});
const gapShape = z.object({ topic: z.string(), count: z.number().optional() });
const endShape = z.object({ reason: z.string() });

type Message = z.output<typeof messageShape>;

/**
 * `sidecar tap`: messages as they pass, until Ctrl+C, until nobody reads them, or for a number of them. Resolves to
 * the exit code: 0 as was asked for, 1 the sidecar does not answer, or ended it.
 */
export async function tap(
  options: TapOptions,
  host: Pick<Host, 'out' | 'log' | 'stop$' | 'unread$'>,
): Promise<number> {
  const { out, log } = host;
  const end = new AbortController();
  const ends = merge(host.stop$, host.unread$)
    .pipe(take(1))
    .subscribe(() => end.abort());
  const print = printer(options, host);
  try {
    for await (const event of eventsOf(placeOf(options), { token: options.token, signal: end.signal })) {
      if (print(event)) return EXIT.ok;
    }
    if (end.signal.aborted) return EXIT.ok;
    log.warn({}, 'the sidecar has ended the stream');
    return EXIT.failed;
  } catch (error) {
    out.write(`${visible(complaint(options.url, error))}\n`);
    return error instanceof NoStream && error.status === 400 ? EXIT.usage : EXIT.failed;
  } finally {
    ends.unsubscribe();
    end.abort();
  }
}

function placeOf({ url, at, source, type, level, match, job, trace }: TapOptions): string {
  const query = new URLSearchParams({ topics: 'tail', at });
  for (const [name, value] of Object.entries({ source, type, level, text: match, job, trace })) {
    if (value !== undefined) query.set(name, value);
  }
  return `${url.replace(/\/+$/, '')}/api/v1/stream?${query}`;
}

function complaint(url: string, error: unknown): string {
  const { message } = error as Error;
  if (!(error instanceof NoStream)) {
    return `${url} does not answer: ${message}. Is the sidecar running? Give its address with --url.`;
  }
  if (error.status === 401) return `${url} asks for its token: ${NEEDS_TOKEN}`;
  return `${url} answers with status ${error.status}, ${message}.`;
}

/** Prints events; says whether that was all that was asked for. */
function printer(
  options: TapOptions,
  { out, log }: Pick<Host, 'out' | 'log'>,
): (event: ServerEvent) => boolean {
  let left = options.count ?? Number.POSITIVE_INFINITY;
  let isSampled = false;
  return ({ event, data }) => {
    const { data: tail } = tailShape.safeParse(data);
    if (event === 'tail' && tail !== undefined) {
      const { sampled } = tail;
      if (sampled !== undefined && !isSampled) {
        const part = Math.round(1 / sampled.rate);
        log.warn({ per_s: sampled.per_s }, `more messages than can be shown: about one of ${part} is`);
      }
      isSampled = sampled !== undefined;
      const shown = tail.messages.slice(0, left);
      left -= shown.length;
      out.write(shown.map((message) => `${lineOf(message, options)}\n`).join(''));
    } else if (event === 'gap') {
      const { data: gap } = gapShape.safeParse(data);
      log.warn(
        { missed: gap?.count ?? 'unknown' },
        'messages came faster than they were read; some are not shown',
      );
    } else if (event === 'evicted' || event === 'bye') {
      log.warn({ reason: endShape.safeParse(data).data?.reason ?? '' }, 'the sidecar ends the stream');
    }
    return left === 0;
  };
}

const COLOURS = {
  trace: 'gray',
  debug: 'gray',
  info: 'green',
  warn: 'yellow',
  error: 'red',
  fatal: 'red',
} as const;

/** `10:30:45.123 INFO  queue-service  event  Job dequeued  job=job-12345 files delivered`. */
function lineOf(message: Message, { human, colour }: TapOptions): string {
  if (!human) return visibleJson(JSON.stringify(message));
  const { received_at, level = '', source, type, text, job_id, backend, rule, outcome, reason } = message;
  const label = level.toUpperCase().padEnd(5);
  const painted =
    colour && level in COLOURS ? styleText(COLOURS[level as keyof typeof COLOURS], label) : label;
  const rest = [
    ...(job_id === undefined ? [] : [`job=${job_id}`]),
    ...(backend === undefined ? [] : [`→ ${backend}`]),
    ...[rule, outcome].filter((part) => part !== undefined),
    ...(reason === undefined || reason === 'ok' ? [] : [`(${reason})`]),
  ];
  const words = [source, type, text, ...rest].map(visible);
  return `${received_at.slice(11, 23)} ${painted} ${words.join('  ')}`.trimEnd();
}
