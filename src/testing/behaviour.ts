import { Observable, type SchedulerLike } from 'rxjs';
import { Permanent, Throttled } from '../deliver/sink.ts';
import { parseMarbles } from './marbles.ts';
import { parseNames } from './names.ts';
import type { Behaviour, CheckedTest } from './schema.ts';

/** How one send ends, and how long after it began. */
export interface Answer {
  readonly afterMs: number;
  readonly kind: 'accepted' | 'transient' | 'permanent' | 'throttled' | 'never';
}

/** What a backend does with what it is sent. */
export interface Backend {
  /** Of its sends in order; the last one holds for all others. */
  readonly answers: readonly Answer[];
  /** Times at which every send that begins is answered otherwise; milliseconds since the start. */
  readonly down: readonly { readonly fromMs: number; readonly toMs: number; readonly answer: Answer }[];
  /** Names of messages that it takes in no batch. */
  readonly refuses: ReadonlySet<string>;
  /** The pause that it asks for when it throttles. */
  readonly throttleMs: number;
}

const ACCEPTED: Answer = { afterMs: 0, kind: 'accepted' };

/** Takes everything at once. */
export const WELL: Backend = { answers: [ACCEPTED], down: [], refuses: new Set(), throttleMs: 1000 };

const LETTERS = { X: 'permanent', T: 'throttled' } as const;

/** Reads one send's diagram: `--|`, `#`, `5s X`, `T` or `-`. Throws `Error` that says what is wrong. */
export function parseAnswer(text: string): Answer {
  const { marbles, endMs, errorMs } = parseMarbles(text);
  const [first, ...others] = marbles;
  if (first !== undefined) {
    const kind = Object.hasOwn(LETTERS, first.letter) && LETTERS[first.letter as keyof typeof LETTERS];
    const isAlone = others.length === 0 && endMs === undefined && errorMs === undefined;
    if (kind && isAlone) return { afterMs: first.ms, kind };
    throw new Error(
      'an answer ends with one of | accepted, # failed, X refused for good, T throttled; or with none',
    );
  }
  if (errorMs !== undefined) return { afterMs: errorMs, kind: 'transient' };
  return endMs === undefined ? { afterMs: 0, kind: 'never' } : { afterMs: endMs, kind: 'accepted' };
}

/** Reads what a test says of a backend; throws `Error` where a diagram is wrong. */
export function backendOf(said: CheckedTest['backends'][string]): Backend {
  const whole: Partial<Behaviour> & Pick<Behaviour, 'answers'> =
    typeof said === 'string' || Array.isArray(said) ? { answers: said } : said;
  const { answers, down = [], refuses = [], throttle = WELL.throttleMs } = whole;
  const isNever = [down].flat().some(({ from, to }) => to !== undefined && to <= from);
  if (isNever) throw new Error('is never down: `to` must be after `from`');
  return {
    answers: [answers].flat().map(parseAnswer),
    down: [down].flat().map(({ from, to, answer }) => ({
      fromMs: from,
      toMs: to ?? Number.POSITIVE_INFINITY,
      answer: parseAnswer(answer),
    })),
    refuses: new Set(parseNames(refuses)),
    throttleMs: throttle,
  };
}

/** How the `nth` send (from 0) ends that begins at `nowMs` with the messages named. */
export function answerOf(backend: Backend, nth: number, nowMs: number, names: readonly string[]): Answer {
  const { answers, down, refuses } = backend;
  const away = down.find(({ fromMs, toMs }) => nowMs >= fromMs && nowMs < toMs);
  if (away !== undefined) return away.answer;
  const answer = answers[Math.min(nth, answers.length - 1)] ?? ACCEPTED;
  const isPoisoned = names.some((name) => refuses.has(name));
  return isPoisoned && answer.kind === 'accepted' ? { ...answer, kind: 'permanent' } : answer;
}

/** The send itself; what ends after no time ends before this returns. */
export const answering = (
  { afterMs, kind }: Answer,
  throttleMs: number,
  scheduler: SchedulerLike,
): Observable<never> =>
  new Observable((subscriber) => {
    const end = () => {
      if (kind === 'accepted') subscriber.complete();
      else if (kind === 'permanent') subscriber.error(new Permanent('the test refuses it'));
      else if (kind === 'throttled') subscriber.error(new Throttled('the test throttles it', throttleMs));
      else subscriber.error(new Error('the test lets it fail'));
    };
    if (kind === 'never') return;
    if (afterMs === 0) end();
    else subscriber.add(scheduler.schedule(end, afterMs));
  });
