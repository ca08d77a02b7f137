import { partsOf } from './describe.ts';
import type { TraceStore } from './store.ts';
import type { Part, Story } from './story.ts';

/** The jobs that share a trace with a story, itself excluded. */
function kinOf(story: Story, store: TraceStore): readonly Story[] {
  const ids = new Set([...story.links].flatMap((trace) => [...(store.trace(trace)?.links ?? [])]));
  ids.delete(story.id);
  return [...ids].flatMap((id) => store.job(id) ?? []);
}

/** The job that a job was started under: the one it names, else the one whose span is the parent of one of its own; '' if there is none. */
export function parentOf(story: Story, parts: readonly Part[], store: TraceStore): string {
  const named = parts.find(({ parentJob }) => parentJob !== '' && parentJob !== story.id);
  if (named !== undefined) return named.parentJob;
  const foreign = foreignParentsOf(parts);
  return foreign.size === 0 ? '' : (kinOf(story, store).find((other) => hasAny(other, foreign))?.id ?? '');
}

/** The ids of parents that are no spans of the story itself. */
function foreignParentsOf(parts: readonly Part[]): ReadonlySet<string> {
  const parents = parts.flatMap(({ spansById }) => [...spansById.values()].map(({ parent }) => parent));
  return new Set(parents.filter((id) => id !== '' && !parts.some(({ spansById }) => spansById.has(id))));
}

/** Whether one of these spans is a story's. A page of jobs asks it of all that share a trace: nothing is summed up for it. */
const hasAny = ({ parts, messages }: Story, ids: ReadonlySet<string>): boolean =>
  parts.some(({ spansById }) => [...ids].some((id) => spansById.has(id))) ||
  messages.some(({ type, spanId }) => type === 'span' && ids.has(spanId));

/** Jobs that are asked whether they name another: the most recently active. */
const MAX_ASKED = 1000;

/** The jobs that were started under a job, as far as they are in memory. */
export const childrenOf = (story: Story, store: TraceStore): readonly string[] =>
  [...new Set([...kinOf(story, store), ...store.jobs().slice(-MAX_ASKED)])]
    .filter((other) => other !== story && parentOf(other, partsOf(other), store) === story.id)
    .map(({ id }) => id);
