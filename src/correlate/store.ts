import { FLOOD_PER_SECOND, KEPT_IN_FLOOD, KEPT_PER_SECOND } from '../kept.ts';
import { type Message, sentHas } from '../message.ts';
import { ownCopyOf } from '../message-text.ts';
import { scanned } from '../scanned.ts';
import { isBefore } from './cursor.ts';
import { createFlood, LOOKS, NO_LOOK } from './flood.ts';
import { createStories, link, linkedOf, NO_NUMBER, name, storyOf } from './stories.ts';
import { fold, foldEnvelope, isError, knowsSpan, SPAN_BYTES, type Story } from './story.ts';

export interface StoreLimits {
  /** Jobs and traces kept, each; past it the least recently active is forgotten. */
  readonly maxTraces: number;
  /** Messages kept in full, in all; past it the least recently active trace is forgotten, then jobs. */
  readonly maxMessages: number;
  /** Messages kept in full of one job or trace. */
  readonly maxMessagesPerTrace: number;
  /** JSON text that the messages kept in full came from, and what spans remembered by id take, in all. */
  readonly maxBytes: number;
}

/** What the store holds and has let go, for metrics. */
export interface StoreStats {
  readonly jobs: number;
  readonly traces: number;
  readonly messages: number;
  readonly bytes: number;
  readonly evicted: number;
}

/** Remembers what belongs to a job and to a trace, within bounds. Lives outside the plan: a reload keeps it. */
export interface TraceStore {
  /**
   * Files a message under its job and its trace. One that it does not name is the one last seen with the other, and is
   * from now on named in the message.
   */
  add(message: Message): void;
  job(jobId: string): Story | undefined;
  trace(traceId: string): Story | undefined;
  /** Jobs, the most recently active last. */
  jobs(): readonly Story[];
  /** Forgets at once what is past the new bounds. */
  setLimits(limits: StoreLimits): void;
  stats(): StoreStats;
}

/** Messages of a second that are kept in full, and those whose data is looked at; of others the envelopes are summed up. */
export interface StoreRates {
  readonly kept: number;
  readonly folded: number;
}

const END =
  /"status"\s*:\s*"(?:complete|succe|done|finished|ok|fail|error|abort|cancel)|"percent"\s*:\s*100\b|\\u/i;
/** Of reports of progress, those that say that a job is over are looked at beyond that. The scan rules most others out. */
const isEnd = (message: Message) =>
  (message.ticket !== scanned.ticket || scanned.mayEnd) && sentHas(message, END);

const LIVE: StoreRates = { kept: KEPT_PER_SECOND, folded: FLOOD_PER_SECOND };

export function createTraceStore(initial: StoreLimits, rates = LIVE): TraceStore {
  let limits = initial;
  let messages = 0;
  let bytes = 0;
  let evicted = 0;

  const forget = (message: Message) => {
    messages--;
    bytes -= message.bytes;
  };
  const evict = (story: Story) => {
    story.messages.forEach(forget);
    bytes -= story.knownSpans * SPAN_BYTES;
    // It may still be linked from another.
    story.messages = [];
    story.parts = [];
    story.partsBySource = undefined;
    story.knownSpans = 0;
    story.linked = undefined;
    evicted++;
  };
  const jobs = createStories(limits.maxTraces, evict);
  const traces = createStories(limits.maxTraces, evict);
  const flood = createFlood(jobs, traces);

  const foldInto = (stories: readonly (Story | undefined)[], message: Message) => {
    const { parsed } = message;
    for (const story of stories) {
      if (story === undefined) continue;
      const before = story.knownSpans;
      fold(story, message);
      bytes += (story.knownSpans - before) * SPAN_BYTES;
      story.folded++;
    }
    // What was only looked at must not stay as long as the message does.
    message.parsed = parsed;
  };
  /** Sums up the older half of a story that outgrew its share, so that the cost a message stays flat. */
  const foldOldest = (story: Story) => {
    const oldest = story.messages.splice(0, Math.ceil(story.messages.length / 2));
    for (const message of oldest) {
      foldInto([story], message);
      forget(message);
    }
  };

  let secondMs = 0;
  let seen = 0;
  let looks = 0;
  let ends = 0;
  let keptAtMost = rates.kept;
  let foldedAtMost = rates.folded;
  /** How many came in this second, this one included. */
  const countIn = (nowMs: number) => {
    if (nowMs - secondMs >= 1000 || nowMs < secondMs) {
      const isFlood = seen > rates.folded;
      keptAtMost = isFlood ? KEPT_IN_FLOOD : rates.kept;
      foldedAtMost = isFlood ? KEPT_IN_FLOOD : rates.folded;
      secondMs = nowMs - (nowMs % 1000);
      seen = 0;
      looks = 0;
      ends = 0;
    }
    return ++seen;
  };

  /** Traces go first: a job is what people ask for. */
  const makeRoom = () => {
    for (const stories of [traces, traces, jobs, jobs]) {
      if (messages <= limits.maxMessages && bytes <= limits.maxBytes) return;
      stories.forgetOlder();
    }
  };

  const keep = (story: Story, message: Message) => {
    // Most keep one: an array that is pushed to takes room for seventeen.
    if (story.messages.length === 0) story.messages = [message];
    else story.messages.push(message);
    messages++;
    bytes += message.bytes;
    if (story.messages.length > limits.maxMessagesPerTrace) foldOldest(story);
  };

  const keepIn = (job: Story | undefined, trace: Story | undefined, message: Message) => {
    const copy = ownCopyOf(message);
    if (job !== undefined) keep(job, copy);
    if (trace !== undefined) keep(trace, copy);
    makeRoom();
  };
  const foldIn = (job: Story | undefined, trace: Story | undefined, message: Message) => {
    foldInto([job, trace], message);
    makeRoom();
  };
  /** Whether a flood's message is looked at, as it tells how the story stands that it says most about. */
  const isLookedAt = (message: Message, story: Story) => {
    const { type } = message;
    if (type === 'progress') {
      if (ends < rates.folded && isEnd(message)) {
        ends++;
        return true;
      }
    } else if (type !== 'span') return false;
    if (story.lookedMs !== secondMs) {
      story.lookedMs = secondMs;
      story.looks = 0;
    }
    if (looks >= rates.folded || story.looks >= LOOKS) return false;
    looks++;
    story.looks++;
    // Of spans those that are known: to remember all of a flood's would take more than it tells.
    return type === 'progress' || knowsSpan(story, message.spanId);
  };
  const countMessage = (story: Story, message: Message) => {
    foldEnvelope(story, message);
    story.folded++;
    story.approximate = true;
  };
  /** In a flood: what the envelope says; of what is in the data, how a job stands. */
  const sumUp = (job: Story | undefined, trace: Story | undefined, message: Message) => {
    const story = job ?? trace;
    if (story === undefined) return;
    if (isLookedAt(message, story)) {
      foldIn(job, trace, message);
      return;
    }
    countMessage(story, message);
    if (job === undefined || trace === undefined) return;
    trace.counted++;
    if (isError(message.severity)) trace.countedErrors++;
    trace.approximate = true;
  };

  /** Of a flood's message, the one that was scanned last: whether it has to be looked at, or may have to. */
  const mayBeEnd = ({ type }: Message) => type === 'progress' && scanned.mayEnd && ends < rates.folded;
  const mayBeLookedAt = ({ type }: Message) =>
    (type === 'progress' || type === 'span') && looks < rates.folded;
  /** Whether it is counted in without a look at its stories. */
  const isTaken = (message: Message) =>
    !mayBeEnd(message) && flood.take(message, mayBeLookedAt(message) ? secondMs : NO_LOOK);

  const file = (message: Message, nth: number, jobNumber: number, traceNumber: number) => {
    const { jobId, traceId, receivedMs } = message;
    const byName = jobId === '' ? undefined : storyOf(jobs, jobId, jobNumber, receivedMs);
    const trace =
      traceId === ''
        ? linkedOf(traces, byName?.linked, receivedMs)
        : storyOf(traces, traceId, traceNumber, receivedMs);
    const job = byName ?? linkedOf(jobs, trace?.linked, receivedMs);
    if (job !== undefined && trace !== undefined) {
      link(job, trace);
      name(message, job, trace);
    }
    if (nth <= keptAtMost) keepIn(job, trace, message);
    else if (nth > foldedAtMost) sumUp(job, trace, message);
    else foldIn(job, trace, message);
    flood.learn(job, jobNumber, trace, traceNumber);
  };
  return {
    add: (message) => {
      const { jobId, traceId, receivedMs } = message;
      if (jobId === '' && traceId === '') return;
      const nth = countIn(receivedMs);
      if (message.ticket !== scanned.ticket) file(message, nth, NO_NUMBER, NO_NUMBER);
      else if (nth <= foldedAtMost || !isTaken(message))
        file(
          message,
          nth,
          jobId === '' ? NO_NUMBER : scanned.jobNumber,
          traceId === '' ? NO_NUMBER : scanned.traceNumber,
        );
    },
    job: (id) => {
      flood.settle();
      return jobs.peek(id);
    },
    trace: (id) => {
      flood.settle();
      return traces.peek(id);
    },
    jobs: () => {
      flood.settle();
      return [...jobs.values()].sort((a, b) => (isBefore(a, b) ? 1 : -1));
    },
    setLimits: (next) => {
      limits = next;
      for (const stories of [jobs, traces]) {
        stories.setMax(limits.maxTraces);
        while (stories.size() > limits.maxTraces) stories.forgetOlder();
      }
      makeRoom();
    },
    stats: () => ({
      jobs: jobs.size(),
      traces: traces.size(),
      messages,
      bytes,
      evicted,
    }),
  };
}
