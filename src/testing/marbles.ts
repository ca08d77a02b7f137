import { TestScheduler } from 'rxjs/testing';

/** A letter of a diagram and when it stands, milliseconds since the start. */
export interface Marble {
  readonly ms: number;
  readonly letter: string;
}

/** A marble diagram, read. */
export interface Diagram {
  readonly marbles: readonly Marble[];
  /** Where `|` stands; `undefined`: nowhere. */
  readonly endMs: number | undefined;
  /** Where `#` stands. */
  readonly errorMs: number | undefined;
}

/** What a name in a diagram may be: one character that has no meaning of its own. */
export const LETTER = /^[^\s()|#^!?*-]$/u;

/** Reads a diagram as RxJS does in `TestScheduler.run`: a frame is 1 ms. Throws `Error` that says what is wrong. */
export function parseMarbles(text: string): Diagram {
  if (/[!^]/.test(text)) throw new Error('! and ^ have no meaning here');
  if (!/^[^()]*(\([^()]*\)[^()]*)*$/.test(text)) throw new Error('( and ) do not match');
  // `run` alone makes a frame 1 ms.
  const found = new TestScheduler(() => {}).run(() =>
    TestScheduler.parseMarbles(text, undefined, undefined, false, true),
  );
  const marbles: Marble[] = [];
  let endMs: number | undefined;
  let errorMs: number | undefined;
  for (const { frame, notification } of found) {
    // RxJS multiplies: 2.034s are 2033.9999999999998 ms.
    const ms = Math.round(frame);
    if (endMs !== undefined || errorMs !== undefined) throw new Error('nothing can follow | or #');
    if (notification.kind === 'N') marbles.push({ ms, letter: String(notification.value) });
    else if (notification.kind === 'C') endMs = ms;
    else errorMs = ms;
  }
  for (const { letter } of marbles) {
    if (!LETTER.test(letter)) throw new Error(`${letter} has no meaning here`);
  }
  return { marbles, endMs, errorMs };
}

/** What may be wrong where a letter means nothing: a time must be followed by a space. */
export const timeHint = (letter: string): string =>
  /^[\d.ms]$/.test(letter) ? '; a time is written with a space after it, as in "5s x"' : '';

/**
 * Writes what `parseMarbles` reads, marbles in order of time; `undefined` where RxJS has no diagram for it: a group
 * takes as much time as it has characters.
 */
export function formatMarbles(marbles: readonly Marble[]): string | undefined {
  let text = '';
  let atMs = 0;
  for (const [ms, letters] of byTime(marbles)) {
    if (ms < atMs) return undefined;
    text += gap(ms - atMs, text === '');
    const group = letters.length === 1 ? letters.join('') : `(${letters.join('')})`;
    text += group;
    atMs = ms + group.length;
  }
  return text;
}

function byTime(marbles: readonly Marble[]): ReadonlyMap<number, readonly string[]> {
  const times = new Map<number, string[]>();
  for (const { ms, letter } of marbles) {
    const letters = times.get(ms);
    if (letters === undefined) times.set(ms, [letter]);
    else letters.push(letter);
  }
  return times;
}

const MOST_DASHES = 9;

const gap = (ms: number, first: boolean): string =>
  ms <= MOST_DASHES ? '-'.repeat(ms) : `${first ? '' : ' '}${formatTime(ms)} `;

/** `0`, `7ms`, `5s`, `5.001s`, `2m`: as a diagram writes it. */
export function formatTime(ms: number): string {
  if (ms === 0) return '0';
  if (ms % 60_000 === 0) return `${ms / 60_000}m`;
  return ms < 1000 ? `${ms}ms` : `${ms / 1000}s`;
}
