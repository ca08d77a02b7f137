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

export const NO_LOOK = -1;
/** In a flood, the spans and reports of progress of a job, or a trace, that are looked at in a second. */
export const LOOKS = 4;

/** Rows of 64 bytes, by place: the first four numbers are integers, as are the last two; between them are floats. */
interface Rows {
  readonly ints: Int32Array;
  readonly floats: Float64Array;
  /** Whose row it is. */
  readonly stories: (Story | undefined)[];
  /** The places of rows that have something for their stories, or had it. */
  readonly listed: Int32Array;
  listedCount: number;
}
const INTS = 16;
const FLOATS = 8;

/** Integers of each row: of which story it is, as a number that is another one after it was another's; 1 if it is listed. */
const KEY = 0;
const LISTED = 14;
/** Of a story's row: its number, the generation in which it was used last, and the number of the linked one. */
const NUMBER = 1;
const GENERATION = 2;
const LINKED = 3;
/** Of what is linked: there is none. One without a number has `NO_NUMBER`. */
const NOTHING = -1;
/** Of a part's row: the number of its source. */
const SOURCE = 1;

/** Floats of each row: its messages, and the latest of their times, epoch milliseconds, of a story of their receipt. */
const MESSAGES = 2;
const LAST_MS = 3;
/** Of a story's row: messages that its job counts, errors among them, and the second in which it needs no more looks. */
const COUNTED = 4;
const COUNTED_ERRORS = 5;
const SATED_MS = 6;
/** Of a part's row: errors among its messages, and the earliest of their times, epoch milliseconds. */
const ERRORS = 4;
const FIRST_MS = 5;

/** Places between the first parts of one story and of the next: most have few, and their numbers follow each other. */
const PARTS_APART = 4;

/** Instead of a place: it is not known, or there is none. */
const UNKNOWN = -1;
const NONE = -2;

function createRows(): Rows {
  const floats = new Float64Array(SLOTS * FLOATS);
  return {
    ints: new Int32Array(floats.buffer),
    floats,
    stories: Array.from({ length: SLOTS }, () => undefined),
    listed: new Int32Array(SLOTS),
    listedCount: 0,
  };
}

function add({ floats }: Rows, at: number, more: number): void {
  floats[at] = (floats[at] as number) + more;
}

/** Sees to it that the row is settled. */
function list(rows: Rows, place: number): void {
  const at = place * INTS + LISTED;
  if (rows.ints[at] === 1) return;
  rows.ints[at] = 1;
  rows.listed[rows.listedCount++] = place;
}

function settleAll(rows: Rows, settle: (rows: Rows, place: number) => void): void {
  for (let nth = 0; nth < rows.listedCount; nth++) {
    const place = rows.listed[nth] as number;
    settle(rows, place);
    rows.ints[place * INTS + LISTED] = 0;
  }
  rows.listedCount = 0;
}

/** The place of a story with that number, if it was used in this generation. */
function find({ ints }: Rows, number: number, generation: number): number {
  const place = placeOf(number);
  const at = place * INTS;
  return ints[at + NUMBER] === number && ints[at + GENERATION] === generation ? place : UNKNOWN;
}

/** The place of what is linked to the story at `place` of `from`, likewise. */
function findLinked(from: Rows, place: number, rows: Rows, generation: number): number {
  if (place === UNKNOWN) return UNKNOWN;
  const number = from.ints[place * INTS + LINKED] as number;
  return number === NOTHING ? NONE : find(rows, number, generation);
}

function settleStory({ floats, stories }: Rows, place: number): void {
  const story = stories[place];
  const at = place * FLOATS;
  // What is forgotten has no sums any more.
  if (story !== undefined && story.usedIn !== UNUSED) {
    const [messages, counted] = [floats[at + MESSAGES] as number, floats[at + COUNTED] as number];
    story.folded += messages;
    story.counted += counted;
    story.countedErrors += floats[at + COUNTED_ERRORS] as number;
    if (messages + counted > 0) story.approximate = true;
    usedAt(story, floats[at + LAST_MS] as number);
  }
  floats.fill(0, at + MESSAGES, at + SATED_MS);
}

/** Makes the row of its number that of a story; `nextKey` is asked if it was another's. */
function assign(rows: Rows, story: Story, number: number, nextKey: () => number): void {
  const old = placeOf(story.number);
  if (number !== NO_NUMBER && number !== story.number) {
    // There is one row of each.
    if (rows.stories[old] === story) rows.ints[old * INTS + GENERATION] = UNUSED;
    story.number = number;
  }
  if (story.number === NO_NUMBER) return;
  const place = placeOf(story.number);
  const at = place * INTS;
  if (rows.stories[place] !== story || rows.ints[at + NUMBER] !== story.number) {
    settleStory(rows, place);
    rows.stories[place] = story;
    rows.ints[at + NUMBER] = story.number;
    rows.ints[at + KEY] = nextKey();
  }
  rows.ints[at + GENERATION] = story.usedIn;
  rows.floats[place * FLOATS + SATED_MS] = story.looks >= LOOKS ? story.lookedMs : 0;
}

/** Notes what is linked to a story that has a row. */
function noteLink({ ints, stories }: Rows, story: Story): void {
  const place = placeOf(story.number);
  if (stories[place] !== story) return;
  ints[place * INTS + LINKED] = story.linked === undefined ? NOTHING : story.linked.number;
}

export function createFlood(jobs: Stories, traces: Stories): Flood {
  const jobRows = createRows();
  const traceRows = createRows();
  const partRows = createRows();
  /** The sources of parts, by place. */
  const sources: string[] = Array.from({ length: SLOTS }, () => '');
  let lastKey = 0;
  const nextKey = () => ++lastKey;

  const settlePart = ({ floats, stories }: Rows, place: number) => {
    const story = stories[place];
    const at = place * FLOATS;
    const messages = floats[at + MESSAGES] as number;
    floats[at + MESSAGES] = 0;
    if (messages === 0 || story === undefined || story.usedIn === UNUSED) return;
    addCounts(story, {
      source: sources[place] as string,
      messages,
      errors: floats[at + ERRORS] as number,
      firstMs: floats[at + FIRST_MS] as number,
      lastMs: floats[at + LAST_MS] as number,
    });
  };
  /** The place of the part that the present source has of a story. */
  const partOf = (key: number, story: Story | undefined, source: string) => {
    const number = scanned.sourceNumber;
    const place = placeOf(key * PARTS_APART + number);
    const at = place * INTS;
    const { ints, floats } = partRows;
    if (ints[at + KEY] !== key || ints[at + SOURCE] !== number) {
      settlePart(partRows, place);
      ints[at + KEY] = key;
      ints[at + SOURCE] = number;
      partRows.stories[place] = story;
      sources[place] = source;
    }
    if (floats[place * FLOATS + MESSAGES] === 0) {
      floats[place * FLOATS + ERRORS] = 0;
      floats[place * FLOATS + FIRST_MS] = Number.POSITIVE_INFINITY;
      floats[place * FLOATS + LAST_MS] = Number.NEGATIVE_INFINITY;
      list(partRows, place);
    }
    return place;
  };
  /** Adds a message to the part that its source has of the story at `place`. */
  const count = (rows: Rows, place: number, { source, timeMs, severity }: Message) => {
    const key = rows.ints[place * INTS + KEY] as number;
    const at = partOf(key, rows.stories[place], source) * FLOATS;
    const { floats } = partRows;
    add(partRows, at + MESSAGES, 1);
    if (isError(severity)) add(partRows, at + ERRORS, 1);
    if (timeMs < (floats[at + FIRST_MS] as number)) floats[at + FIRST_MS] = timeMs;
    if (timeMs > (floats[at + LAST_MS] as number)) floats[at + LAST_MS] = timeMs;
    add(rows, place * FLOATS + MESSAGES, 1);
  };
  const use = (rows: Rows, place: number, receivedMs: number) => {
    list(rows, place);
    const at = place * FLOATS + LAST_MS;
    if (receivedMs > (rows.floats[at] as number)) rows.floats[at] = receivedMs;
  };
  /** Links the job to the trace, which is linked to it, as the last one. */
  const link = (job: number, trace: number) => {
    const number = traceRows.ints[trace * INTS + NUMBER] as number;
    if (jobRows.ints[job * INTS + LINKED] === number) return;
    jobRows.ints[job * INTS + LINKED] = number;
    const story = jobRows.stories[job];
    if (story !== undefined) story.linked = traceRows.stories[trace];
  };
  const countBoth = (message: Message, job: number, trace: number) => {
    const { jobId, traceId, severity, receivedMs } = message;
    link(job, trace);
    if (jobId === '' || traceId === '')
      name(message, jobRows.stories[job] as Story, traceRows.stories[trace] as Story);
    use(traceRows, trace, receivedMs);
    add(traceRows, trace * FLOATS + COUNTED, 1);
    if (isError(severity)) add(traceRows, trace * FLOATS + COUNTED_ERRORS, 1);
  };

  return {
    take(message, lookMs) {
      const { jobId, traceId, receivedMs } = message;
      let job = jobId === '' ? NONE : find(jobRows, scanned.jobNumber, jobs.generation());
      let trace = traceId === '' ? NONE : find(traceRows, scanned.traceNumber, traces.generation());
      if (jobId === '') job = findLinked(traceRows, trace, jobRows, jobs.generation());
      else if (traceId === '') trace = findLinked(jobRows, job, traceRows, traces.generation());
      if (job === UNKNOWN || trace === UNKNOWN) return false;
      const isBoth = job !== NONE && trace !== NONE;
      // A trace that is linked to another job, or to none yet.
      if (isBoth && traceRows.ints[trace * INTS + LINKED] !== jobRows.ints[job * INTS + NUMBER]) return false;
      const rows = job === NONE ? traceRows : jobRows;
      const place = job === NONE ? trace : job;
      if (lookMs !== NO_LOOK && rows.floats[place * FLOATS + SATED_MS] !== lookMs) return false;
      if (isBoth) countBoth(message, job, trace);
      use(rows, place, receivedMs);
      count(rows, place, message);
      return true;
    },
    learn(job, jobNumber, trace, traceNumber) {
      if (job !== undefined) assign(jobRows, job, jobNumber, nextKey);
      if (trace !== undefined) assign(traceRows, trace, traceNumber, nextKey);
      if (job !== undefined) noteLink(jobRows, job);
      if (trace !== undefined) noteLink(traceRows, trace);
    },
    settle() {
      settleAll(partRows, settlePart);
      settleAll(jobRows, settleStory);
      settleAll(traceRows, settleStory);
    },
  };
}
