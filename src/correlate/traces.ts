import type { SchedulerLike } from 'rxjs';
import { partsOf, servicesOf, summarise, timelineOf } from './describe.ts';
import type { TraceStore } from './store.ts';
import type { Part, Story } from './story.ts';
import type { JobFilter, JobSummary, Traces } from './view.ts';

function isWanted({ id }: Story, parts: readonly Part[], { isSource, text }: JobFilter): boolean {
  if (isSource !== undefined && !parts.some(({ source }) => isSource(source))) return false;
  if (text === undefined) return true;
  return [id, ...parts.flatMap(({ texts }) => texts)].some((one) => one.toLowerCase().includes(text));
}

/** The store as it is shown: jobs and traces with their services, times and messages, computed when asked. */
export function createTraces(store: TraceStore, { now }: Pick<SchedulerLike, 'now'>): Traces {
  const summaryOf = (story: Story, parts: readonly Part[]): JobSummary => ({
    job_id: story.id,
    trace_ids: [...story.links],
    ...summarise(story, parts, now()),
  });
  const details = (story: Story) => {
    const parts = partsOf(story);
    return { ...summarise(story, parts, now()), services: servicesOf(parts), timeline: timelineOf(story) };
  };

  return {
    jobs(limit, cursor, filter = {}) {
      const newestFirst = [...store.jobs()].reverse();
      const start = cursor === undefined ? 0 : newestFirst.findIndex(({ id }) => id === cursor) + 1;
      if (cursor !== undefined && start === 0) return { jobs: [] };
      const page: JobSummary[] = [];
      for (const story of newestFirst.slice(start)) {
        if (filter.sinceMs !== undefined && story.lastMs < filter.sinceMs) continue;
        const parts = partsOf(story);
        if (!isWanted(story, parts, filter)) continue;
        const summary = summaryOf(story, parts);
        if (filter.states?.includes(summary.state) === false) continue;
        if (page.length === limit) return { jobs: page, next: page.at(-1)?.job_id ?? '' };
        page.push(summary);
      }
      return { jobs: page };
    },
    job(id) {
      const story = store.job(id);
      return story && { job_id: id, trace_ids: [...story.links], ...details(story) };
    },
    trace(id) {
      const story = store.trace(id);
      return story && { trace_id: id, job_ids: [...story.links], ...details(story) };
    },
  };
}
