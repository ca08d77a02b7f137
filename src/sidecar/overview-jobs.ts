import type { JobState, JobSummary, Traces } from '../correlate/view.ts';
import type { OverviewView } from '../http/health-view.ts';

const MAX_JOBS = 20;
/** Jobs that are looked at, the most recently active first. */
const MAX_LOOKED_AT = 500;
const HOUR_MS = 3_600_000;

const RUNNING: readonly JobState[] = ['queued', 'running', 'stalled'];
const FAILED: readonly JobState[] = ['failed', 'abandoned'];

/** What runs, and what failed within the last hour. */
export function jobsOfOverview(traces: Traces, nowMs: number): OverviewView['jobs'] {
  const { jobs } = traces.jobs(MAX_LOOKED_AT);
  const isRecent = ({ ended }: JobSummary) => nowMs - Date.parse(ended) < HOUR_MS;
  return {
    running: jobs.filter(({ state }) => RUNNING.includes(state)).slice(0, MAX_JOBS),
    failed: jobs.filter((job) => FAILED.includes(job.state) && isRecent(job)).slice(0, MAX_JOBS),
  };
}
