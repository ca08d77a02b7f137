import { lastValueFrom, merge, share, take, takeUntil, timer } from 'rxjs';
import { visible, visibleJson } from '../visible.ts';
import { EXIT, type Host } from './host.ts';
import { ask } from './http/ask.ts';
import { NEEDS_TOKEN } from './http/token.ts';
import { fitted } from './text/width.ts';
import { draw, healthShape, overviewShape } from './top/draw.ts';

/** As the command line has them. */
export interface TopOptions {
  /** Where the sidecar's HTTP side listens, e.g. `http://127.0.0.1:17001`. */
  readonly url: string;
  /** Absent: the one that the sidecar's own file has. */
  readonly token?: string | undefined;
  /** Print once and end. */
  readonly once: boolean;
  /** Print what the sidecar answers, a line each time. */
  readonly json: boolean;
  /** Draw in place of what was drawn before. */
  readonly inPlace: boolean;
}

const EVERY_MS = 1000;
/** To the upper left corner, and clear from there. */
const HOME = '\x1b[H\x1b[J';
/** The terminal's other screen, so that what was there before is there afterwards. */
const [ENTER, LEAVE] = ['\x1b[?1049h\x1b[?25l', '\x1b[?25h\x1b[?1049l'];

/**
 * `sidecar top`: how the running sidecar is, again every second until Ctrl+C. Resolves to the exit code: 0 as was asked
 * for, 1 it does not answer.
 */
export async function top(
  options: TopOptions,
  host: Pick<Host, 'out' | 'scheduler' | 'stop$' | 'unread$'>,
): Promise<number> {
  const { out, scheduler } = host;
  const isScreen = options.inPlace && !options.once && !options.json;
  const end$ = merge(host.stop$, host.unread$).pipe(take(1), share());
  let isEnding = false;
  const ends = end$.subscribe(() => {
    isEnding = true;
  });
  if (isScreen) out.write(ENTER);
  let last: string | undefined;
  try {
    while (!isEnding) {
      const { text, isAnswer } = await look(options, out.columns || Number.POSITIVE_INFINITY);
      last = isAnswer ? undefined : text;
      if (isScreen) out.write(`${HOME}${text}`);
      else if (isAnswer) out.write(text);
      if (options.once || (!isAnswer && !isScreen)) break;
      await lastValueFrom(timer(EVERY_MS, scheduler).pipe(takeUntil(end$)), { defaultValue: 0 });
    }
  } finally {
    ends.unsubscribe();
    if (isScreen) out.write(LEAVE);
  }
  if (last !== undefined) out.write(last);
  return last === undefined ? EXIT.ok : EXIT.failed;
}

async function look({ url, token, json }: TopOptions, columns: number) {
  const said = (text: string) => ({ text: `${visible(text)}\n`, isAnswer: false });
  const both = Promise.all([ask(url, '/api/v1/overview', { token }), ask(url, '/api/v1/health', { token })]);
  const answers = await both.catch(({ message }: Error) => message);
  if (typeof answers === 'string') {
    return said(`${url} does not answer: ${answers}. Is the sidecar running? Give its address with --url.`);
  }
  const [overview, health] = answers;
  if (overview.status === 401) return said(`${url} asks for its token: ${NEEDS_TOKEN}`);
  const parsed = {
    overview: overviewShape.safeParse(overview.body).data,
    health: healthShape.safeParse(health.body).data,
  };
  if (parsed.overview === undefined || parsed.health === undefined) {
    return said(`${url} answers with status ${overview.status}, which no sidecar says; use --url.`);
  }
  if (json) {
    const both = { overview: overview.body, health: health.body };
    return { text: `${visibleJson(JSON.stringify(both))}\n`, isAnswer: true };
  }
  const lines = draw(parsed.overview, parsed.health).map((line) => fitted(visible(line), columns));
  return { text: `${lines.join('\n')}\n`, isAnswer: true };
}
