import { join } from 'node:path';
import { isoTime } from '../message.ts';
import { MOMENTS, parseMoment } from '../moment.ts';
import { visible } from '../visible.ts';
import type { LetterFilter } from './dlq/letters.ts';
import { ls } from './dlq/ls.ts';
import { retry } from './dlq/retry.ts';
import { rm } from './dlq/rm.ts';
import { show } from './dlq/show.ts';
import { EXIT, type Host } from './host.ts';
import { findSidecar, type RunningAt } from './http/running.ts';

/** What is done with dead letters. */
export type DlqAction = 'ls' | 'show' | 'retry' | 'rm';

/** As the command line has them. */
export interface DlqOptions {
  readonly url: string;
  /** Absent: the one that the sidecar's own file has. */
  readonly token?: string | undefined;
  /** The sidecar's folder; absent: the one of the sidecar at `url`. */
  readonly dataDir?: string | undefined;
  /** `host:port` or a Unix socket's path; absent: as the sidecar at `url` listens. */
  readonly to?: string | undefined;
  readonly backend?: string | undefined;
  readonly reason?: string | undefined;
  readonly source?: string | undefined;
  readonly type?: string | undefined;
  readonly id: readonly string[];
  /** RFC 3339, or a duration: so long ago. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  readonly json: boolean;
  readonly limit?: number | undefined;
  readonly maxRetries: number;
  readonly all: boolean;
}

/**
 * `sidecar dlq …`: what became dead letters, and what to do with them. Works on the files, whether or not a sidecar
 * runs; only `retry` needs one. Resolves to the exit code: 0 done, 1 nothing matches or it failed, 2 wrong usage.
 */
export async function dlq(
  action: DlqAction,
  options: DlqOptions,
  host: Pick<Host, 'out' | 'scheduler'>,
): Promise<number> {
  const { out, scheduler } = host;
  try {
    const filter = filterOf(options, scheduler.now());
    const running = await locate(action, options);
    if (action === 'rm' && !options.all && isOpen(filter)) {
      out.write('This would remove every letter: say which by a filter, or --all.\n');
      return EXIT.usage;
    }
    const dir = join(options.dataDir ?? running?.dataDir ?? '', 'dead-letters');
    switch (action) {
      case 'ls':
        return await ls({ dir, filter, json: options.json }, out);
      case 'show':
        return await show({ dir, filter, json: options.json, limit: options.limit }, out);
      case 'rm':
        return await rm({ dir, filter }, out);
      case 'retry':
        return await retry(
          { dir, filter, to: options.to ?? running?.telemetry, maxRetries: options.maxRetries },
          host,
        );
    }
  } catch (error) {
    out.write(`${visible(error instanceof Error ? error.message : String(error))}\n`);
    return error instanceof RangeError ? EXIT.usage : EXIT.failed;
  }
}

/** Asks the running sidecar for what the command line does not say. */
async function locate(
  action: DlqAction,
  { url, token, dataDir, to }: DlqOptions,
): Promise<RunningAt | undefined> {
  const isKnown = dataDir !== undefined && (action !== 'retry' || to !== undefined);
  return isKnown ? undefined : findSidecar(url, token);
}

function filterOf(options: DlqOptions, nowMs: number): LetterFilter {
  const { backend, reason, source, type, id: ids, since, until } = options;
  return { backend, reason, source, type, ids, since: timeOf(since, nowMs), until: timeOf(until, nowMs) };
}

const isOpen = ({ ids, ...conditions }: LetterFilter) =>
  ids.length === 0 && Object.values(conditions).every((condition) => condition === undefined);

/** A point in time in the form of `dead_at`. Throws RangeError for what is none. */
function timeOf(text: string | undefined, nowMs: number): string | undefined {
  if (text === undefined) return undefined;
  const ms = parseMoment(text, nowMs);
  if (ms === undefined) throw new RangeError(`"${text}" is no time; ${MOMENTS}`);
  return isoTime(ms);
}
