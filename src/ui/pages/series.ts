import { useRef } from 'preact/hooks';
import { type Answer, read, useRemote } from '../remote.ts';

export interface Series {
  readonly name: string;
  readonly source: string;
  readonly tags: Readonly<Record<string, string>>;
  readonly unit?: string;
}

/** Series in order of their names. */
export interface SeriesPage {
  readonly series: readonly Series[];
  /** All names that the filter has, also those of series that are not here. */
  readonly names: number;
  readonly next?: string;
}

/** Each name once. */
export const namesOf = (series: readonly Series[]): readonly string[] => [
  ...new Set(series.map(({ name }) => name)),
];

/** The page at `path` and those after it, until more than `most` names are there: of so many all series are. */
async function readPages(
  path: string,
  signalled: AbortSignal,
  most: number,
  before: SeriesPage = { series: [], names: 0 },
): Promise<Answer<SeriesPage>> {
  const cursor = before.next === undefined ? '' : `&cursor=${before.next}`;
  const answer = await read<SeriesPage>(path + cursor, signalled);
  if (answer.data === undefined) return answer;
  const data = { ...answer.data, series: [...before.series, ...answer.data.series] };
  if (data.next === undefined || namesOf(data.series).length > most) return { data };
  return readPages(path, signalled, most, data);
}

/**
 * The series of the first `most` names that have `text`, and the number of all such names, again and again. While
 * another text is asked for, what was there last.
 */
export function useSeries(text: string, most: number): Answer<SeriesPage> {
  const query = new URLSearchParams({ limit: '500', name: text });
  const answer = useRemote<SeriesPage>(`/api/v1/metrics/series?${query}`, most, 10_000, (path, signalled) =>
    readPages(path, signalled, most),
  );
  const last = useRef(answer);
  if (answer.data !== undefined || answer.error !== undefined) last.current = answer;
  return last.current;
}
