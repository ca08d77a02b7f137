import picomatch from 'picomatch';
import type { Message } from '../message.ts';
import { severityOf } from '../severity.ts';

/** Which messages are wanted; what is absent does not matter. */
export interface LiveFilter {
  /** A name or glob. */
  readonly source?: string | undefined;
  readonly types?: readonly string[] | undefined;
  /** Of this level and above. */
  readonly level?: string | undefined;
  /** What the JSON has to have in it. */
  readonly text?: string | undefined;
  readonly job?: string | undefined;
  readonly trace?: string | undefined;
}

/** A filter in two parts: what the envelope tells in nanoseconds, and a text that is looked for. */
export interface Matcher {
  /** `undefined`: all. */
  readonly envelope: ((message: Message) => boolean) | undefined;
  /** UTF-8; `undefined`: any. */
  readonly text: Buffer | undefined;
}

type Test = (message: Message) => boolean;

/** Compiles a filter; nothing is done for conditions that are not there. */
export function compileMatcher({ source, types, level, text, job, trace }: LiveFilter): Matcher {
  const tests: Test[] = [];
  if (source !== undefined) tests.push(sourceTest(source));
  if (types !== undefined) tests.push(({ type }) => types.includes(type));
  if (level !== undefined) {
    const least = severityOf(level);
    tests.push(({ severity }) => severity >= least);
  }
  if (job !== undefined) tests.push(({ jobId }) => jobId === job);
  if (trace !== undefined) tests.push(({ traceId }) => traceId === trace);
  const [only] = tests;
  const all: Test = (message) => tests.every((test) => test(message));
  return {
    envelope: tests.length < 2 ? only : all,
    text: text === undefined || text === '' ? undefined : Buffer.from(text),
  };
}

/** Whether a source has this name, or one that the glob takes. */
export function compileSource(glob: string): (source: string) => boolean {
  if (!/[*?[\]{}!()]/.test(glob)) return (source) => source === glob;
  return picomatch(glob, { bash: true, dot: true, nonegate: true, flags: 's' });
}

/** A glob is matched once a source: messages of one come in a row. */
function sourceTest(glob: string): Test {
  const isMatch = compileSource(glob);
  let last: string | undefined;
  let isLast = false;
  return ({ source }) => {
    if (source !== last) {
      last = source;
      isLast = isMatch(source);
    }
    return isLast;
  };
}

/** Whether a message's line has the text in it. */
export const hasText = ({ text, start, bytes }: Message, wanted: Buffer): boolean =>
  text.subarray(start, start + bytes).includes(wanted);

/** Whether a message passes all of it. */
export const matches = (matcher: Matcher, message: Message): boolean =>
  matcher.envelope?.(message) !== false && (matcher.text === undefined || hasText(message, matcher.text));
