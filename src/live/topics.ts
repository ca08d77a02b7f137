import type { JobPage, JobSummary, JobView, TraceView } from '../correlate/view.ts';
import type { OutEvent } from './outbox.ts';

/** What states a stream can show; each is asked at most once a second, and only while somebody looks. */
export interface LiveStates {
  overview(): unknown;
  health(): unknown;
  config(): unknown;
  jobs(): JobPage;
  job(id: string): JobView | undefined;
  trace(id: string): TraceView | undefined;
}

/** What a stream is about. */
export type Topic =
  | { readonly name: 'overview' | 'health' | 'config' | 'jobs' | 'tail' }
  | { readonly name: 'job' | 'trace'; readonly id: string };

/** Topics as they are written, separated by commas; `undefined` if one is not known. */
export function parseTopics(text: string): readonly Topic[] | undefined {
  const topics: Topic[] = [];
  for (const part of text.split(',')) {
    const [, name = '', id] = /^([a-z]+)(?::(.+))?$/.exec(part) ?? [];
    if ((name === 'job' || name === 'trace') && id !== undefined) topics.push({ name, id: decoded(id) });
    else if (isPlain(name) && id === undefined) topics.push({ name });
    else return undefined;
  }
  return topics.length > MAX_TOPICS ? undefined : topics;
}

const MAX_TOPICS = 16;
const PLAIN = ['overview', 'health', 'config', 'jobs', 'tail'] as const;

const isPlain = (name: string): name is (typeof PLAIN)[number] => PLAIN.some((known) => known === name);

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A topic as it is written. */
export const topicText = (topic: Topic): string =>
  'id' in topic ? `${topic.name}:${encodeURIComponent(topic.id)}` : topic.name;

/** What is new of a topic since the last call; `undefined`: nothing. */
export type Changes = () => OutEvent | undefined;

/** Follows a topic that is a state; `read` shares what is read in one second among all streams. */
export function followState(
  topic: Topic,
  states: LiveStates,
  read: <T>(key: string, ask: () => T) => T,
): Changes {
  const name = topicText(topic);
  if (topic.name === 'jobs') return followJobs(() => read(name, states.jobs));
  let last = '';
  return () => {
    const data = read(name, () => JSON.stringify(stateOf(topic, states)));
    if (data === last) return undefined;
    last = data;
    return { event: topic.name, data, topic: name, count: 1, isState: true };
  };
}

function stateOf(topic: Topic, states: LiveStates): unknown {
  switch (topic.name) {
    case 'job': {
      const view = states.job(topic.id);
      if (view === undefined) return { id: topic.id, messages: 0 };
      return { id: topic.id, messages: view.messages, job: summaryOf(view) };
    }
    case 'trace':
      return { id: topic.id, messages: states.trace(topic.id)?.messages ?? 0 };
    case 'jobs':
    case 'tail':
      return undefined;
    default:
      return states[topic.name]();
  }
}

/** What a job's view and its row in the list share. */
function summaryOf({
  services: _services,
  spans: _spans,
  progress: _progress,
  failures: _failures,
  child_job_ids: _children,
  timeline: _timeline,
  ...job
}: JobView): JobSummary {
  return job;
}

/** Those of the first page that are not as they were. */
function followJobs(read: () => JobPage): Changes {
  let before = new Map<string, string>();
  return () => {
    const { jobs } = read();
    const now = new Map(jobs.map((job) => [job.job_id, JSON.stringify(job)]));
    const changed = jobs.filter(({ job_id }) => before.get(job_id) !== now.get(job_id));
    before = now;
    if (changed.length === 0) return undefined;
    const data = JSON.stringify({ jobs: changed });
    return { event: 'jobs', data, topic: 'jobs', count: changed.length, isState: false };
  };
}
