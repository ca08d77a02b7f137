import { createRecentMap, type RecentMap } from '../flow/recent-map.ts';
import { linkMessage, type Message } from '../message.ts';
import { emptySlots, SLOTS } from '../scanned.ts';
import { createStory, type Story } from './story.ts';

/** The stories of jobs, or of traces. */
export interface Stories extends RecentMap<Story> {
  /** By the place of the number that a scan gave its id: the one that was named last, most often the one that is wanted. */
  readonly byPlace: (Story | undefined)[];
}

/** Of an id that the scan gave no number. */
export const NO_NUMBER = 0;

/** The place of a number that a scan gave: those that follow each other have different ones. */
export const placeOf = (number: number): number => number & (SLOTS - 1);

export const createStories = (max: number, onForget: (story: Story) => void): Stories => ({
  ...createRecentMap(max, onForget),
  byPlace: emptySlots(),
});

/** The story of `id`, made if need be. Used now. */
export function storyOf(stories: Stories, id: string, number: number, nowMs: number): Story {
  const place = placeOf(number);
  let story = number === NO_NUMBER ? undefined : stories.byPlace[place];
  if (story === undefined || story.id !== id || !stories.touch(id, story)) {
    story = stories.get(id);
    if (story === undefined) {
      story = createStory(id, nowMs);
      stories.set(id, story);
    }
    if (number !== NO_NUMBER) stories.byPlace[place] = story;
  }
  return usedAt(story, nowMs);
}

/** The story that is linked, made anew if it was forgotten. Used now. */
export function linkedOf(stories: Stories, story: Story | undefined, nowMs: number): Story | undefined {
  if (story === undefined) return undefined;
  return stories.touch(story.id, story) ? usedAt(story, nowMs) : storyOf(stories, story.id, NO_NUMBER, nowMs);
}

/** Notes when a story was used. */
export function usedAt(story: Story, nowMs: number): Story {
  // What earlier runs received may come after what is received now.
  if (nowMs > story.lastMs) story.lastMs = nowMs;
  return story;
}

const MAX_LINKS = 64;

/** Notes that both occurred together. That a trace has a job as its last says that the job names it already. */
export function link(job: Story, trace: Story): void {
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
export function name(message: Message, job: Story, trace: Story): void {
  if (message.jobId === '') linkMessage(message, job.id, message.traceId, memberOf(job, 'job_id'));
  else if (message.traceId === '') linkMessage(message, message.jobId, trace.id, memberOf(trace, 'trace_id'));
}

function memberOf(story: Story, name: 'job_id' | 'trace_id'): Buffer {
  story.member ??= Buffer.from(`,"${name}":${JSON.stringify(story.id)}`);
  return story.member;
}
