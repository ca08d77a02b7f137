import { createRecentMap, type RecentMap } from '../flow/recent-map.ts';
import type { Message } from '../message.ts';
import { createStory, fold, foldEnvelope, type Story } from './story.ts';

export interface StoreLimits {
  /** Jobs and traces kept, each; past it the least recently active is forgotten. */
  readonly maxTraces: number;
  /** Messages kept in full, in all; past it the least recently active trace is forgotten, then jobs. */
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
  /** Forgets at once what is past the new bounds. */
  setLimits(limits: StoreLimits): void;
  stats(): StoreStats;
}

const MAX_LINKS = 64;
/** Messages a second that may be kept in full; in a flood of more, only jobs' sums are kept up, so that it costs little. */
const MAX_KEPT_PER_SECOND = 10_000;

export function createTraceStore(initial: StoreLimits): TraceStore {
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
    evicted++;
  };
  const jobs = createRecentMap<string, Story>(limits.maxTraces, evict);
  const traces = createRecentMap<string, Story>(limits.maxTraces, evict);

  /** Sums up the older half of a story that outgrew its share, so that the cost a message stays flat. */
  const foldOldest = (story: Story) => {
    const oldest = story.messages.splice(0, Math.ceil(story.messages.length / 2));
    for (const message of oldest) {
      fold(story.parts, message);
      forget(message);
    }
    story.folded += oldest.length;
  };

  let second = 0;
  let kept = 0;
  const mayKeep = (nowMs: number) => {
    const now = Math.floor(nowMs / 1000);
    if (now !== second) kept = 0;
    second = now;
    return kept++ < MAX_KEPT_PER_SECOND;
  };

  /** Traces go first: a job is what people ask for. */
  const makeRoom = () => {
    for (const stories of [traces, traces, jobs, jobs]) {
      if (messages <= limits.maxMessages && bytes <= limits.maxBytes) return;
      stories.forgetOlder();
    }
  };

  const keep = (story: Story, message: Message) => {
    story.messages.push(message);
    messages++;
    bytes += message.bytes;
    if (story.messages.length > limits.maxMessagesPerTrace) foldOldest(story);
    makeRoom();
  };

  const storyOf = (stories: RecentMap<string, Story>, id: string, nowMs: number, link: string): Story => {
    let story = stories.get(id);
    if (story === undefined) {
      story = createStory(id, nowMs);
      stories.set(id, story);
    }
    story.lastMs = nowMs;
    if (link !== '' && link !== story.lastLink) {
      story.lastLink = link;
      if (story.links.size < MAX_LINKS) story.links.add(link);
    }
    return story;
  };

  /** In a flood: the job's sums, and what links job and trace. */
  const addInFlood = (message: Message) => {
    const { jobId, traceId, receivedMs } = message;
    if (jobId === '') return;
    const job = storyOf(jobs, jobId, receivedMs, traceId);
    foldEnvelope(job.parts, message);
    job.folded++;
    job.approximate = true;
    if (traceId !== '') storyOf(traces, traceId, receivedMs, jobId).approximate = true;
  };

  return {
    add: (message) => {
      const { jobId, traceId, receivedMs } = message;
      if (jobId === '' && traceId === '') return;
      if (!mayKeep(receivedMs)) {
        addInFlood(message);
        return;
      }
      if (jobId !== '') keep(storyOf(jobs, jobId, receivedMs, traceId), message);
      if (traceId !== '') keep(storyOf(traces, traceId, receivedMs, jobId), message);
    },
    traceOfJob: (jobId) => jobs.get(jobId)?.lastLink ?? '',
    jobOfTrace: (traceId) => traces.get(traceId)?.lastLink ?? '',
    job: jobs.peek,
    trace: traces.peek,
    jobs: () => [...jobs.values()].sort((a, b) => a.lastMs - b.lastMs),
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
