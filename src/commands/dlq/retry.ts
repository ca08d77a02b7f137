import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { firstValueFrom, type SchedulerLike, timer } from 'rxjs';
import { sortFile } from '../../deliver/letter-files.ts';
import { rewrite } from '../../ingest/rewrite.ts';
import { EXIT, type Host } from '../host.ts';
import {
  compileLetterFilter,
  filesFor,
  type LetterFilter,
  letterOf,
  RETRIES,
  recordTextOf,
} from './letters.ts';

export interface RetryOptions {
  readonly dir: string;
  readonly filter: LetterFilter;
  /** `host:port` or a Unix socket's path; `undefined`: the sidecar takes nothing in plain text. */
  readonly to: string | undefined;
  /** A letter that was retried so often stays where it is. */
  readonly maxRetries: number;
}

/** Letters a connection: what is not known to have arrived, and so would be sent twice, when it breaks. */
const LETTERS_AT_ONCE = 1000;
/** A sidecar whose clients have to wait takes its time; one that takes nothing for so long has a fault. */
const PATIENCE_MS = 60_000;
/** How long a sidecar may take to turn a client away. */
const REFUSAL_MS = 100;

/**
 * `sidecar dlq retry`: sends the records again, through the rules of today, and removes their letters once the
 * sidecar has read them. Each carries how often it was retried, so that one which dies again and again is noticed.
 */
export async function retry(
  { dir, filter, to, maxRetries }: RetryOptions,
  { out, scheduler }: Pick<Host, 'out' | 'scheduler'>,
): Promise<number> {
  if (to === undefined) {
    throw new Error('the sidecar takes telemetry by TLS only; open a Unix socket (tcp.socket), or say --to');
  }
  const isMeant = compileLetterFilter(filter);
  let sent = 0;
  let exhausted = 0;
  let failure: Error | undefined;

  const send = async (lines: readonly string[]): Promise<readonly string[]> => {
    if (failure === undefined && lines.length > 0) {
      try {
        await deliver(lines.map(replayOf), to, scheduler);
        sent += lines.length;
        return [];
      } catch (error) {
        failure = error as Error;
      }
    }
    return lines;
  };

  for (const path of filesFor(dir, filter)) {
    await sortFile(path, async function* (line$) {
      let waiting: string[] = [];
      for await (const line of line$) {
        const letter = letterOf(line);
        const isWanted = letter !== undefined && isMeant(letter);
        if (isWanted && letter.retries >= maxRetries) exhausted++;
        if (!isWanted || letter.retries >= maxRetries) {
          yield line;
        } else if (waiting.push(line) >= LETTERS_AT_ONCE) {
          yield* await send(waiting);
          waiting = [];
        }
      }
      yield* await send(waiting);
    });
  }

  out.write(`${counted(sent)} sent again.\n`);
  if (exhausted > 0) {
    out.write(
      `${counted(exhausted)} stay: retried ${maxRetries} times already. See why with: sidecar dlq show; --max-retries sends them all the same.\n`,
    );
  }
  if (failure !== undefined) throw new Error(`${to}: ${failure.message}; the other letters stay`);
  if (sent + exhausted === 0) out.write('No dead letters match.\n');
  return sent === 0 ? EXIT.failed : EXIT.ok;
}

const counted = (letters: number) => `${letters} dead letter${letters === 1 ? '' : 's'}`;

/** The record as it goes out again: as it was, with one more retry. */
function replayOf(line: string): string {
  const retries = (letterOf(line)?.retries ?? 0) + 1;
  return `${rewrite(recordTextOf(line), new Map([[RETRIES, String(retries)]]))}\n`;
}

/**
 * Resolves once the sidecar has read everything: it ends its side when it has, unless it turns clients away. Then it
 * ends its side at once, or resets the connection, because of what it has not read.
 */
async function deliver(lines: readonly string[], to: string, scheduler: SchedulerLike): Promise<void> {
  const socket = open(to);
  let isWhole = false;
  socket.on('timeout', () => socket.destroy(new Error('takes nothing any more')));
  socket.on('end', () => {
    if (!isWhole) socket.destroy(new Error('turns clients away: it is stopping, or has too many'));
  });
  const gone = once(socket.resume(), 'end');
  gone.catch(() => {});
  try {
    await once(socket, 'connect');
    for (const line of lines) if (!socket.write(line)) await once(socket, 'drain');
    await Promise.race([firstValueFrom(timer(REFUSAL_MS, scheduler)), once(socket, 'close')]);
    isWhole = !socket.destroyed && !socket.readableEnded;
    socket.end();
    await gone;
    if (!isWhole) throw new Error('closed the connection');
  } finally {
    socket.destroy();
  }
}

function open(to: string): Socket {
  const [, host = '', port = ''] = /^\[?(.*?)\]?:(\d+)$/.exec(to) ?? [];
  const options = { allowHalfOpen: true, timeout: PATIENCE_MS };
  if (port === '') return connect({ ...options, path: to });
  return connect({ ...options, host: LOCAL[host] ?? host, port: Number(port) });
}

/** What a listener on all addresses is reached by. */
const LOCAL: Readonly<Record<string, string>> = { '0.0.0.0': '127.0.0.1', '::': '::1', '*': '127.0.0.1' };
