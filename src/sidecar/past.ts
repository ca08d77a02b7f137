import { catchError, firstValueFrom, forkJoin, map, type Observable, of, timeout } from 'rxjs';
import type { Context } from '../context.ts';
import { readCursor, storedCursor } from '../correlate/cursor.ts';
import { replay, withLeftOff } from '../correlate/replay.ts';
import type { AbsentSince } from '../correlate/state.ts';
import type { TraceStore } from '../correlate/store.ts';
import type { Story } from '../correlate/story.ts';
import type {
  JobFilter,
  JobPage,
  JobSummary,
  Origin,
  Provenance,
  StorySummary,
  Traces,
  WholeTraces,
} from '../correlate/view.ts';
import { errorText } from '../deliver/retry.ts';
import type { Stored, StoredJobs, StoredStory } from '../deliver/sink.ts';

/** What is put together. */
export interface WholeParts {
  readonly store: TraceStore;
  readonly traces: Traces;
  /** The backends that can be asked now. */
  readonly stored: () => readonly Stored[];
  readonly absentSince: AbsentSince;
}

/** An answer from memory is better than one that is waited for any longer. */
const PATIENCE_MS = 3000;

/** What one backend said, or why it did not. */
type Said<T> = { readonly answer: T; readonly failed?: string };

/** Memory and databases as one. A database that fails is left out with a note. */
export function createWhole(
  { store, traces, stored, absentSince }: WholeParts,
  { scheduler, log }: Pick<Context, 'scheduler' | 'log'>,
): WholeTraces {
  let isFailing = false;
  const heard = (failed: string | undefined) => {
    if (failed !== undefined && !isFailing) {
      log.warn({ error: failed }, 'History cannot be read: what is asked for is answered from memory');
    }
    isFailing = failed !== undefined;
  };
  const askAll = async <T>(ask: (one: Stored) => Observable<T>, none: T) => {
    const asked = stored().map((one) =>
      ask(one).pipe(
        timeout({ first: PATIENCE_MS, scheduler }),
        map((answer): Said<T> => ({ answer })),
        catchError((error: unknown) => of({ answer: none, failed: errorText(error) })),
      ),
    );
    const said = await firstValueFrom(forkJoin(asked), { defaultValue: [] as Said<T>[] });
    const failed = said.find((one) => one.failed !== undefined)?.failed;
    if (said.length > 0) heard(failed);
    return { answers: said.map(({ answer }) => answer), failed };
  };

  const story = async <View extends StorySummary>(
    kind: 'job' | 'trace',
    id: string,
    known: Story | undefined,
    viewOf: (from: Traces) => View | undefined,
  ): Promise<Provenance & { readonly view: View | undefined }> => {
    const { answers, failed } = await askAll((one) => one.story(kind, id), NOTHING);
    const note = failed === undefined ? {} : { note: noteOf(failed) };
    const inMemory = viewOf(traces);
    const ids = new Set(known?.messages.map((message) => message.id));
    const rows = answers.flatMap(({ messages }) => messages);
    const isMore = rows.some((message) => !ids.has(message.id));
    if (!isMore) return { view: inMemory, from: 'memory', ...note };
    const view = viewOf(replay([...rows, ...(known?.messages ?? [])], scheduler, absentSince));
    const leftOff = Math.max(...answers.map((answer) => answer.leftOff));
    const whole = view && withLeftOff(view, leftOff);
    // Sums in memory may be of messages that no table has.
    if (whole === undefined || whole.messages < (inMemory?.messages ?? 0)) {
      return { view: inMemory, from: 'memory', ...note };
    }
    return { view: whole, from: 'postgres', ...note };
  };

  const storedPage = async (limit: number, after: string | undefined, filter: JobFilter) => {
    const query = {
      limit,
      after,
      except: store.jobs().map(({ id }) => id),
      sinceMs: filter.sinceMs,
    };
    const { answers, failed } = await askAll<StoredJobs>((one) => one.jobs(query), { jobs: new Map() });
    const found = answers.flatMap(({ jobs }) => [...jobs]);
    const nexts = answers.flatMap(({ next }) => next ?? []).sort();
    const messages = found.flatMap(([, { messages }]) => messages);
    const leftOff = new Map(found.map(([id, one]) => [id, one.leftOff]));
    const { jobs } = replay(messages, scheduler, absentSince).jobs(found.length, undefined, filter);
    const byId = new Map(jobs.map((job) => [job.job_id, job]));
    const inOrder = [...leftOff].flatMap(([id, left]): JobSummary[] => {
      const job = byId.get(id);
      return job === undefined ? [] : [withLeftOff(job, left)];
    });
    const next = nexts.at(-1);
    return { jobs: inOrder, failed, ...(next !== undefined && { next: storedCursor(next) }) };
  };

  return {
    jobs: async (limit, cursor, filter = {}) => {
      const begin = cursor === undefined ? undefined : readCursor(cursor);
      if (cursor !== undefined && begin === undefined) return undefined;
      const isStored = begin?.from === 'postgres';
      const page: JobPage = isStored ? { jobs: [] } : traces.jobs(limit, begin?.after, filter);
      if (page.next !== undefined || stored().length === 0) return { ...page, from: 'memory' };
      const room = limit - page.jobs.length;
      if (room === 0) return { ...page, next: storedCursor(), from: 'memory' };
      const { failed, ...more } = await storedPage(room, isStored ? begin.after : undefined, filter);
      const from: Origin = more.jobs.length > 0 ? 'postgres' : 'memory';
      const note = failed === undefined ? {} : { note: noteOf(failed) };
      return { ...more, jobs: [...page.jobs, ...more.jobs], from, ...note };
    },
    job: async (id) => {
      const known = traces.job(id);
      const found = await story('job', id, store.job(id), (from) => from.job(id));
      if (found.from === 'memory' || known === undefined || found.view === undefined) return found;
      // Its family is in memory, as far as it is known.
      const { child_job_ids, parent_job_id } = known;
      return { ...found, view: { ...found.view, child_job_ids, ...(parent_job_id && { parent_job_id }) } };
    },
    trace: (id) => story('trace', id, store.trace(id), (from) => from.trace(id)),
  };
}

const NOTHING: StoredStory = { messages: [], leftOff: 0 };

const noteOf = (failed: string) => `the database does not answer, so this is what is in memory: ${failed}`;
