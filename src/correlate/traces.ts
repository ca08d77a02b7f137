import type { SchedulerLike } from 'rxjs';
import { cursorAfter, isBefore } from './cursor.ts';
import { failuresOf, partsOf, servicesOf, summarise, timelineOf } from './describe.ts';
import { childrenOf, parentOf } from './family.ts';
import { progressOf, spansOf } from './spans.ts';
import type { AbsentSince } from './state.ts';
import type { TraceStore } from './store.ts';
import type { Part, Story } from './story.ts';
import type { JobFilter, JobState, JobSummary, Traces } from './view.ts';

function isWanted({ id }: Story, parts: readonly Part[], { isSource, text }: JobFilter): boolean {
  if (isSource !== undefined && !parts.some(({ source }) => isSource(source))) return false;
  if (text === undefined) return true;
  return [id, ...parts.flatMap(({ texts }) => texts)].some((one) => one.toLowerCase().includes(text));
}

/** The store as it is shown: jobs and traces with their services, times and messages, computed when asked. */
export function createTraces(
  store: TraceStore,
  { now }: Pick<SchedulerLike, 'now'>,
  absentSince: AbsentSince = () => undefined,
): Traces {
  const headOf = (story: Story, parts: readonly Part[]): JobSummary => {
    const parent = parentOf(story, parts, store);
    return {
      job_id: story.id,
      trace_ids: [...story.links],
      ...(parent !== '' && { parent_job_id: parent }),
      ...summarise(story, parts, now(), absentSince),
    };
  };
  const detailsOf = (story: Story, parts: readonly Part[], state: JobState) => ({
    services: servicesOf(parts),
    spans: spansOf(parts, state),
    progress: progressOf(parts),
    failures: failuresOf(story),
    timeline: timelineOf(story),
  });

  return {
    jobs(limit, after, filter = {}) {
      const page: JobSummary[] = [];
      let last: Story | undefined;
      for (const story of [...store.jobs()].reverse()) {
        if (after !== undefined && !isBefore(after, story)) continue;
        if (filter.sinceMs !== undefined && story.lastMs < filter.sinceMs) continue;
        const parts = partsOf(story);
        if (!isWanted(story, parts, filter)) continue;
        const summary = headOf(story, parts);
        if (filter.states?.includes(summary.state) === false) continue;
        if (page.length === limit) return { jobs: page, ...(last && { next: cursorAfter(last) }) };
        page.push(summary);
        last = story;
      }
      return { jobs: page };
    },
    job(id) {
      const story = store.job(id);
      if (story === undefined) return undefined;
      const parts = partsOf(story);
      const head = headOf(story, parts);
      return { ...head, child_job_ids: childrenOf(story, store), ...detailsOf(story, parts, head.state) };
    },
    trace(id) {
      const story = store.trace(id);
      if (story === undefined) return undefined;
      const parts = partsOf(story);
      const head = summarise(story, parts, now(), absentSince);
      return { trace_id: id, job_ids: [...story.links], ...head, ...detailsOf(story, parts, head.state) };
    },
  };
}
