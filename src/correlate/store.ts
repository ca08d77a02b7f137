import type { Message } from '../message.ts';
import { createStory, fold, foldEnvelope, type Story } from './story.ts';

export interface StoreLimits {
  /** Jobs and traces kept, each; past it the least recently active is forgotten. */
  readonly maxTraces: number;
  /** Messages kept in full, in all; a story past its share of it is summed up, oldest first. */
  readonly maxMessages: number;
  /** Messages kept in full of one job or trace. */
  readonly maxMessagesPerTrace: number;
  /** JSON text that the messages kept in full came from, in all. */
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
  /** Files a message under its job and its trace. */
  add(message: Message): void;
  /** The trace that was last seen with a job; '' where none was. */
  traceOfJob(jobId: string): string;
  /** The job that was last seen with a trace; '' where none was. */
  jobOfTrace(traceId: string): string;
  job(jobId: string): Story | undefined;
  trace(traceId: string): Story | undefined;
  /** Jobs, the most recently active last. */
  jobs(): readonly Story[];
  setLimits(limits: StoreLimits): void;
  stats(): StoreStats;
}

const MAX_LINKS = 64;
/** A story may always keep this many messages in full, however many stories there are. */
const MIN_SHARE = 8;
/** How many messages a second may have their data parsed to be summed up: 5 % of a core. */
const MAX_PARSED_PER_SECOND = 20_000;

export function createTraceStore(initial: StoreLimits): TraceStore {
  let limits = initial;
  const jobs = new Map<string, Story>();
  const traces = new Map<string, Story>();
  let messages = 0;
  let bytes = 0;
  let evicted = 0;

  const forget = (message: Message) => {
    messages--;
    bytes -= message.bytes;
  };

  /** Makes room for one: the first story in filing order that was not active since it was filed (second chance). */
  const evictIdle = (stories: Map<string, Story>) => {
    for (const [id, story] of stories) {
      stories.delete(id);
      if (story.filedMs === story.lastMs) {
        story.messages.forEach(forget);
        evicted++;
        return;
      }
      story.filedMs = story.lastMs;
      stories.set(id, story);
    }
  };

  const share = () => {
    const fair = Math.floor(limits.maxMessages / (jobs.size + traces.size));
    return Math.min(limits.maxMessagesPerTrace, Math.max(MIN_SHARE, fair));
  };

  let second = 0;
  let parsed = 0;
  const mayParse = (count: number, nowMs: number) => {
    const now = Math.floor(nowMs / 1000);
    if (now !== second) parsed = 0;
    second = now;
    parsed += count;
    return parsed <= MAX_PARSED_PER_SECOND;
  };

  /** Sums up the older half of a story that outgrew its share, so that the cost a message stays flat. */
  const foldOldest = (story: Story) => {
    const oldest = story.messages.splice(0, Math.ceil(story.messages.length / 2));
    const exact = mayParse(oldest.length, story.lastMs);
    if (!exact) story.approximate = true;
    for (const message of oldest) {
      (exact ? fold : foldEnvelope)(story.parts, message);
      forget(message);
    }
    story.folded += oldest.length;
  };

  const file = (stories: Map<string, Story>, id: string, message: Message, link: string) => {
    let story = stories.get(id);
    if (story === undefined) {
      if (stories.size >= limits.maxTraces) evictIdle(stories);
      story = createStory(id, message.receivedMs);
      stories.set(id, story);
    }
    story.lastMs = message.receivedMs;
    story.messages.push(message);
    messages++;
    bytes += message.bytes;
    if (link !== '' && link !== story.lastLink) {
      story.lastLink = link;
      if (story.links.size < MAX_LINKS) story.links.add(link);
    }
    if (story.messages.length > share() || bytes > limits.maxBytes) foldOldest(story);
  };

  return {
    add: (message) => {
      if (message.jobId === '' && message.traceId === '') return;
      if (message.jobId !== '') file(jobs, message.jobId, message, message.traceId);
      if (message.traceId !== '') file(traces, message.traceId, message, message.jobId);
    },
    traceOfJob: (jobId) => jobs.get(jobId)?.lastLink ?? '',
    jobOfTrace: (traceId) => traces.get(traceId)?.lastLink ?? '',
    job: (jobId) => jobs.get(jobId),
    trace: (traceId) => traces.get(traceId),
    jobs: () => [...jobs.values()].sort((a, b) => a.lastMs - b.lastMs),
    setLimits: (next) => {
      limits = next;
    },
    stats: () => ({ jobs: jobs.size, traces: traces.size, messages, bytes, evicted }),
  };
}
