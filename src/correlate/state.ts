import type { Part, Story } from './story.ts';
import type { JobState } from './view.ts';

/**
 * When a source's program left without a `bye`, epoch milliseconds, also where another program came in its place since;
 * `undefined` if it is here, or said goodbye.
 */
export type AbsentSince = (source: string) => number | undefined;

/** States that a job does not leave, unless it is heard of again. */
export const OVER: ReadonlySet<JobState> = new Set(['succeeded', 'failed', 'cancelled', 'abandoned']);

const reportsOf = (parts: readonly Part[]) =>
  parts.flatMap(({ progress }) => progress ?? []).sort((a, b) => a.timeMs - b.timeMs);

/** The report of progress that is the latest by its sender's time. */
const latestProgress = (parts: readonly Part[]) => reportsOf(parts).at(-1);

/** How far the job was by the latest report that said it: another service's may say but a word. */
export const latestPercent = (parts: readonly Part[]): number | undefined =>
  reportsOf(parts).findLast(({ percent }) => percent !== undefined)?.percent;

const STATES: readonly (readonly [RegExp, JobState])[] = [
  [/^(queued|pending|waiting)$/i, 'queued'],
  [/^(complete|completed|succeeded|success|done|finished|ok)$/i, 'succeeded'],
  [/^(fail|failed|failure|error|aborted)$/i, 'failed'],
  [/^(cancelled|canceled)$/i, 'cancelled'],
];

/** By the last progress report's word, else by its spans: all ended is an end; else by its silence. */
export function stateOf(
  story: Story,
  parts: readonly Part[],
  nowMs: number,
  absentSince: AbsentSince,
): JobState {
  const said = saidState(parts);
  if (said !== undefined && said !== 'queued') return said;
  if (isAbandoned(story, parts, nowMs, absentSince)) return 'abandoned';
  if (said !== undefined) return said;
  return nowMs - story.lastMs > quietMs(story) ? 'stalled' : 'running';
}

function saidState(parts: readonly Part[]): JobState | undefined {
  const progress = latestProgress(parts);
  const said = STATES.find(([words]) => words.test(progress?.status ?? ''))?.[1];
  if (said !== undefined) return said;
  if (progress?.percent === 100) return 'succeeded';
  const spans = new Map(parts.flatMap(({ spansById }) => [...spansById]));
  const all = [...spans.values()];
  if (progress !== undefined || all.length === 0 || !all.every(({ ended }) => ended)) return undefined;
  // A span whose parent is not known here is a root as far as anyone can tell.
  return all.some(({ failed, parent }) => failed && !spans.has(parent)) ? 'failed' : 'succeeded';
}

/** How long nothing may be heard of a job whose client is gone. */
const HEARTBEAT_MS = 60_000;

/** All of its services that were heard of in the end are gone, and nobody took the job up since. */
function isAbandoned(story: Story, parts: readonly Part[], nowMs: number, absentSince: AbsentSince): boolean {
  if (nowMs - story.lastMs < HEARTBEAT_MS) return false;
  const latest = Math.max(...parts.map(({ lastMs }) => lastMs));
  const last = parts.filter(({ lastMs }) => lastMs === latest);
  const isLeft = ({ source }: Part) => (absentSince(source) ?? Number.NEGATIVE_INFINITY) >= story.lastMs;
  return last.length > 0 && last.every(isLeft);
}

/** How long a running story may be silent before it counts as stalled: 30 s, or three of its usual pauses. */
function quietMs(story: Story): number {
  const times = story.messages.map(({ receivedMs }) => receivedMs);
  const gaps = times.slice(1).map((time, at) => time - (times[at] ?? time));
  const median = gaps.sort((a, b) => a - b)[Math.floor(gaps.length / 2)] ?? 0;
  return Math.max(30_000, 3 * median);
}
