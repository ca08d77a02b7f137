import { memberBytes } from '../arena.ts';
import { createRecentMap, type RecentMap } from '../flow/recent-map.ts';
import { FLOOD_PER_SECOND, KEPT_IN_FLOOD, KEPT_PER_SECOND } from '../kept.ts';
import { linkMessage, type Message, sentHas } from '../message.ts';
import { ownCopyOf } from '../message-text.ts';
import { emptySlots, scanned } from '../scanned.ts';
import { isBefore } from './cursor.ts';
import { createStory, fold, foldEnvelope, knowsSpan, SPAN_BYTES, type Story } from './story.ts';

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

const MAX_LINKS = 64;
/** The stories of jobs, or of traces. */
interface Stories extends RecentMap<Story> {
  /** By slot of the scan's table of their ids: the one that was found there last, most often the one that is wanted. */
  readonly bySlot: (Story | undefined)[];
}

/** Not a slot. */
const NO_SLOT = -1;

const createStories = (max: number, onForget: (story: Story) => void): Stories => ({
  ...createRecentMap(max, onForget),
  bySlot: emptySlots(),
});

/** The story of `id`, made if need be. Used now. */
function storyOf(stories: Stories, id: string, slot: number, nowMs: number): Story {
  let story = slot === NO_SLOT ? undefined : stories.bySlot[slot];
  if (story === undefined || story.id !== id || !stories.touch(id, story)) {
    story = stories.get(id);
    if (story === undefined) {
      story = createStory(id, nowMs);
      stories.set(id, story);
    }
    if (slot !== NO_SLOT) stories.bySlot[slot] = story;
  }
  return usedAt(story, nowMs);
}

/** The story that is linked, made anew if it was forgotten. Used now. */
function linkedOf(stories: Stories, story: Story | undefined, nowMs: number): Story | undefined {
  if (story === undefined) return undefined;
  return stories.touch(story.id, story) ? usedAt(story, nowMs) : storyOf(stories, story.id, NO_SLOT, nowMs);
}

function usedAt(story: Story, nowMs: number): Story {
  // What earlier runs received may come after what is received now.
  if (nowMs > story.lastMs) story.lastMs = nowMs;
  return story;
}

/** Notes that both occurred together. That a trace has a job as its last says that the job names it already. */
function link(job: Story, trace: Story): void {
  if (trace.linked !== job) {
    addLink(job, trace.id);
    addLink(trace, job.id);
    trace.linked = job;
  }
  if (job.linked !== trace) job.linked = trace;
}

function addLink(story: Story, id: string): void {
  // Most have one: `concat` takes no room for more, as a spread does.
  if (story.links.length < MAX_LINKS && !story.links.includes(id)) story.links = story.links.concat(id);
}

/** Names in a message what was found for it. */
function name(message: Message, job: Story, trace: Story): void {
  if (message.jobId === '') linkMessage(message, job.id, message.traceId, memberOf(job, 'job_id'));
  else if (message.traceId === '') linkMessage(message, message.jobId, trace.id, memberOf(trace, 'trace_id'));
}

function memberOf(story: Story, name: 'job_id' | 'trace_id'): Buffer {
  story.member ??= memberBytes(name, story.id);
  return story.member;
}

/** Messages of a second that are kept in full, and those whose data is looked at; of others the envelopes are summed up. */
export interface StoreRates {
  readonly kept: number;
  readonly folded: number;
}

/** In a flood, the spans and reports of progress of a job, or a trace, that are looked at in a second. */
const LOOKS = 4;
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
    if (message.severity >= 5) trace.countedErrors++;
    trace.approximate = true;
  };

  return {
    add: (message) => {
      const { jobId, traceId, receivedMs } = message;
      if (jobId === '' && traceId === '') return;
      const isScanned = message.ticket === scanned.ticket;
      const jobSlot = isScanned ? scanned.jobSlot : NO_SLOT;
      const traceSlot = isScanned ? scanned.traceSlot : NO_SLOT;
      const byName = jobId === '' ? undefined : storyOf(jobs, jobId, jobSlot, receivedMs);
      const trace =
        traceId === ''
          ? linkedOf(traces, byName?.linked, receivedMs)
          : storyOf(traces, traceId, traceSlot, receivedMs);
      const job = byName ?? linkedOf(jobs, trace?.linked, receivedMs);
      if (job !== undefined && trace !== undefined) {
        link(job, trace);
        name(message, job, trace);
      }
      const nth = countIn(receivedMs);
      if (nth <= keptAtMost) keepIn(job, trace, message);
      else if (nth > foldedAtMost) sumUp(job, trace, message);
      else foldIn(job, trace, message);
    },
    job: jobs.peek,
    trace: traces.peek,
    jobs: () => [...jobs.values()].sort((a, b) => (isBefore(a, b) ? 1 : -1)),
    setLimits: (next) => {
      limits = next;
      for (const stories of [jobs, traces]) {
        stories.setMax(limits.maxTraces);
        while (stories.size() > limits.maxTraces) stories.forgetOlder();
      }
      makeRoom();
    },
    stats: () => ({ jobs: jobs.size(), traces: traces.size(), messages, bytes, evicted }),
  };
}
