import { UNUSED } from '../flow/recent-map.ts';
import type { Message } from '../message.ts';
import { SLOTS, scanned } from '../scanned.ts';
import { NO_NUMBER, name, placeOf, type Stories, usedAt } from './stories.ts';
import { addCounts, isError, type Story } from './story.ts';

/**
 * What a flood's messages say in sum, before it is put in their stories: in rows of numbers, so that a message costs a
 * look at three places of memory. Stories and their parts are in fifteen, and between two messages of one trace so many
 * others pass that none of them is in a near cache any more.
 */
export interface Flood {
  /**
   * Counts in the message that was scanned last, and names in it what is linked; its stories are used now. False, and
   * nothing is done, if they have to be asked: where they are is not known, or it may be one of those whose data is
   * looked at in the second `lookMs`; `NO_LOOK`: it is none.
   */
  take(message: Message, lookMs: number): boolean;
  /** Remembers where stories are that were used now, and how they are linked; `NO_NUMBER`: the one that it has stays. */
  learn(job: Story | undefined, jobNumber: number, trace: Story | undefined, traceNumber: number): void;
  /** Puts all that it has into the stories. */
  settle(): void;
}

/** Of a message whose data is not looked at. */
export const NO_LOOK = -1;
/** In a flood, the spans and reports of progress of a job, or a trace, that are looked at in a second. */
export const LOOKS = 4;

/**
 * Rows of 64 bytes: of jobs, of traces, and of the parts of both, each by their places. The first half of a row is
 * integers, the second floats.
 */
const INTS = 16;
const FLOATS = 8;
const TRACES = SLOTS;
const PARTS = 2 * SLOTS;
const ROWS = 3 * SLOTS;

/** Integers of each row: of which story it is, as a number that is another one after it was another's; 1 if it is listed. */
const KEY = 0;
const LISTED = 1;
/** Its messages. */
const MESSAGES = 2;
/** Of a story's row: messages that its job counts, and errors among them. */
const COUNTED = 3;
const COUNTED_ERRORS = 4;
/** Of a story's row: its number, the generation in which it was used last, and the number of the linked one. */
const NUMBER = 5;
const GENERATION = 6;
const LINKED = 7;
/** Of what is linked: there is none. One without a number has `NO_NUMBER`. */
const NOTHING = -1;
/** Of a part's row: errors among its messages, and the number of its source. */
const ERRORS = 3;
const SOURCE = 5;

/** Floats of each row: the latest time of its messages, epoch milliseconds, of a story of their receipt. */
const LAST_MS = 4;
/** Of a story's row: the second, epoch milliseconds, in which it needs no more looks. */
const SATED_MS = 5;
/** Of a part's row: the earliest time. */
const FIRST_MS = 5;

/** Places between the first parts of one story and of the next: most have few, and their numbers follow each other. */
const PARTS_APART = 4;

/** Instead of a row: it is not known, or there is none. */
const UNKNOWN = -1;
const NONE = -2;

export function createFlood(jobs: Stories, traces: Stories): Flood {
  const floats = new Float64Array(ROWS * FLOATS);
  const ints = new Int32Array(floats.buffer);
  /** Whose row it is. */
  const stories: (Story | undefined)[] = Array.from({ length: ROWS }, () => undefined);
  /** The sources of parts, by place. */
  const sources: string[] = Array.from({ length: SLOTS }, () => '');
  /** The rows that have something for their stories, or had it. */
  const listed = new Int32Array(ROWS);
  let listedCount = 0;
  let lastKey = 0;

  const list = (row: number) => {
    if (ints[row * INTS + LISTED] === 1) return;
    ints[row * INTS + LISTED] = 1;
    listed[listedCount++] = row;
  };
  const add = (row: number, count: number) => {
    ints[row * INTS + count] = (ints[row * INTS + count] as number) + 1;
  };
  /** The row of the story with that number, if it was used in this generation. */
  const find = (first: number, number: number, generation: number) => {
    const row = first + placeOf(number);
    const at = row * INTS;
    return ints[at + NUMBER] === number && ints[at + GENERATION] === generation ? row : UNKNOWN;
  };
  /** The row of what is linked to a story, likewise. */
  const findLinked = (row: number, first: number, generation: number) => {
    if (row === UNKNOWN) return UNKNOWN;
    const number = ints[row * INTS + LINKED] as number;
    return number === NOTHING ? NONE : find(first, number, generation);
  };

  const settleStory = (story: Story, row: number) => {
    const at = row * INTS;
    const [messages, counted] = [ints[at + MESSAGES] as number, ints[at + COUNTED] as number];
    story.folded += messages;
    story.counted += counted;
    story.countedErrors += ints[at + COUNTED_ERRORS] as number;
    if (messages + counted > 0) story.approximate = true;
    usedAt(story, floats[row * FLOATS + LAST_MS] as number);
  };
  const settlePart = (story: Story, row: number) => {
    const messages = ints[row * INTS + MESSAGES] as number;
    if (messages === 0) return;
    addCounts(story, {
      source: sources[row - PARTS] as string,
      messages,
      errors: ints[row * INTS + ERRORS] as number,
      firstMs: floats[row * FLOATS + FIRST_MS] as number,
      lastMs: floats[row * FLOATS + LAST_MS] as number,
    });
  };
  /** Puts what a row has into its story. */
  const settleRow = (row: number) => {
    const story = stories[row];
    if (story !== undefined && row < PARTS) settleStory(story, row);
    else if (story !== undefined) settlePart(story, row);
    ints.fill(0, row * INTS + MESSAGES, row * INTS + COUNTED_ERRORS + 1);
    floats[row * FLOATS + LAST_MS] = 0;
  };

  /** Makes the row of its number that of a story. */
  const assign = (first: number, story: Story, number: number) => {
    if (number !== NO_NUMBER && number !== story.number) {
      const old = first + placeOf(story.number);
      // There is one row of each.
      if (stories[old] === story) ints[old * INTS + GENERATION] = UNUSED;
      story.number = number;
    }
    if (story.number === NO_NUMBER) return;
    const row = first + placeOf(story.number);
    const at = row * INTS;
    if (stories[row] !== story || ints[at + NUMBER] !== story.number) {
      settleRow(row);
      stories[row] = story;
      ints[at + NUMBER] = story.number;
      ints[at + KEY] = ++lastKey;
    }
    ints[at + GENERATION] = story.usedIn;
    floats[row * FLOATS + SATED_MS] = story.looks >= LOOKS ? story.lookedMs : 0;
  };
  const noteLink = (first: number, story: Story) => {
    const row = first + placeOf(story.number);
    if (stories[row] !== story) return;
    ints[row * INTS + LINKED] = story.linked === undefined ? NOTHING : story.linked.number;
  };

  /** The row of the part that the present source has of a story; made anew if need be. */
  const partOf = (story: number, source: string) => {
    const key = ints[story * INTS + KEY] as number;
    const row = PARTS + placeOf(key * PARTS_APART + scanned.sourceNumber);
    const at = row * INTS;
    if (ints[at + KEY] !== key || ints[at + SOURCE] !== scanned.sourceNumber) {
      settleRow(row);
      ints[at + KEY] = key;
      ints[at + SOURCE] = scanned.sourceNumber;
      stories[row] = stories[story];
      sources[row - PARTS] = source;
    }
    if (ints[at + MESSAGES] === 0) {
      floats[row * FLOATS + FIRST_MS] = Number.POSITIVE_INFINITY;
      floats[row * FLOATS + LAST_MS] = Number.NEGATIVE_INFINITY;
      list(row);
    }
    return row;
  };
  /** Counts a message in a story, and in the part that its source has of it. */
  const count = (row: number, { source, timeMs, severity }: Message) => {
    const part = partOf(row, source);
    const at = part * FLOATS;
    add(row, MESSAGES);
    add(part, MESSAGES);
    if (isError(severity)) add(part, ERRORS);
    if (timeMs < (floats[at + FIRST_MS] as number)) floats[at + FIRST_MS] = timeMs;
    if (timeMs > (floats[at + LAST_MS] as number)) floats[at + LAST_MS] = timeMs;
  };
  const use = (row: number, receivedMs: number) => {
    list(row);
    const at = row * FLOATS + LAST_MS;
    if (receivedMs > (floats[at] as number)) floats[at] = receivedMs;
  };
  /** Links the job to the trace, which is linked to it, as the last one. */
  const link = (job: number, trace: number) => {
    const number = ints[trace * INTS + NUMBER] as number;
    if (ints[job * INTS + LINKED] === number) return;
    ints[job * INTS + LINKED] = number;
    (stories[job] as Story).linked = stories[trace];
  };
  const useTrace = (trace: number, { severity, receivedMs }: Message) => {
    use(trace, receivedMs);
    add(trace, COUNTED);
    if (isError(severity)) add(trace, COUNTED_ERRORS);
  };

  return {
    take(message, lookMs) {
      const { jobId, traceId, receivedMs } = message;
      let job = jobId === '' ? NONE : find(0, scanned.jobNumber, jobs.generation());
      let trace = traceId === '' ? NONE : find(TRACES, scanned.traceNumber, traces.generation());
      if (jobId === '') job = findLinked(trace, 0, jobs.generation());
      else if (traceId === '') trace = findLinked(job, TRACES, traces.generation());
      if (job === UNKNOWN || trace === UNKNOWN) return false;
      const isBoth = job !== NONE && trace !== NONE;
      // A trace that is linked to another job, or to none yet.
      if (isBoth && ints[trace * INTS + LINKED] !== ints[job * INTS + NUMBER]) return false;
      const row = job === NONE ? trace : job;
      if (lookMs !== NO_LOOK && floats[row * FLOATS + SATED_MS] !== lookMs) return false;
      if (isBoth) {
        link(job, trace);
        if (jobId === '' || traceId === '') name(message, stories[job] as Story, stories[trace] as Story);
        useTrace(trace, message);
      }
      use(row, receivedMs);
      count(row, message);
      return true;
    },
    learn(job, jobNumber, trace, traceNumber) {
      if (job !== undefined) assign(0, job, jobNumber);
      if (trace !== undefined) assign(TRACES, trace, traceNumber);
      if (job !== undefined) noteLink(0, job);
      if (trace !== undefined) noteLink(TRACES, trace);
    },
    settle() {
      for (let nth = 0; nth < listedCount; nth++) {
        const row = listed[nth] as number;
        settleRow(row);
        ints[row * INTS + LISTED] = 0;
      }
      listedCount = 0;
    },
  };
}
