import { useEffect, useRef, useState } from 'preact/hooks';
import { count } from './format.ts';
import { useRemote, useStream } from './remote.ts';
import type { LiveMessage } from './shapes.ts';

const MAX_KEPT = 2_000;
/** What is asked of the past when a tail begins. */
const PAST = 200;
const POLL_MS = 3_000;

interface Batch {
  readonly messages: readonly LiveMessage[];
  readonly sampled?: { readonly per_s: number; readonly rate: number };
}

/** The messages that pass a filter: those of the sidecar's memory, then as they come in. */
export interface TailState {
  /** The oldest first. */
  readonly messages: readonly LiveMessage[];
  /** How many were ever added; tells how far rows moved. */
  readonly added: number;
  /** How many wait while it is paused. */
  readonly waiting: number;
  readonly paused: boolean;
  readonly note: string;
  /** Why there is no stream. */
  readonly error: string | undefined;
  toggle(): void;
  clear(): void;
}

const keyOf = ({ id, backend = '', outcome = '' }: LiveMessage) => `${id} ${backend} ${outcome}`;

interface Kept {
  readonly query: string;
  readonly messages: readonly LiveMessage[];
  readonly added: number;
}

/** Those of `more` that are not there yet. */
function freshOf(before: readonly LiveMessage[], more: readonly LiveMessage[]): readonly LiveMessage[] {
  if (more.length === 0) return more;
  const known = new Set(before.map(keyOf));
  return more.filter((message) => !known.has(keyOf(message)));
}

/** With those that are not there yet, at the end, or before the others if they are older. */
function merged(before: Kept, more: readonly LiveMessage[], isPast: boolean): Kept {
  const fresh = freshOf(before.messages, more);
  if (fresh.length === 0) return before;
  const all = isPast ? [...fresh, ...before.messages] : [...before.messages, ...fresh];
  const added = before.added + (isPast ? 0 : fresh.length);
  return { ...before, messages: all.slice(-MAX_KEPT), added };
}

/** Follows what passes `filter` at the place `at`; begins anew with another filter. */
export function useTail(filter: URLSearchParams, at: string): TailState {
  const query = new URLSearchParams([...filter, ['topics', 'tail'], ['at', at]]).toString();
  const [kept, keep] = useState<Kept>({ query, messages: [], added: 0 });
  const [held, hold] = useState<readonly LiveMessage[]>([]);
  const [paused, setPaused] = useState(false);
  const [note, setNote] = useState('');
  const [evicted, setEvicted] = useState(false);
  // What came in before the stream listened is asked for once it does: nothing falls between the two.
  const [listening, setListening] = useState('');
  const isPaused = useRef(paused);
  isPaused.current = paused;

  const take = (messages: readonly LiveMessage[]) => {
    if (isPaused.current) hold((before) => [...before, ...messages].slice(-MAX_KEPT));
    else keep((before) => merged(before, messages, false));
  };
  useEffect(() => {
    keep((before) => (before.query === query ? before : { query, messages: [], added: 0 }));
    hold([]);
    setNote('');
    setEvicted(false);
  }, [query]);
  const error = useStream(query, (event, data) => {
    if (event === 'hello') setListening(query);
    if (event === 'evicted') {
      setEvicted(true);
      setNote('Newer tabs have the streams: this one asks every few seconds. Load it again to have one.');
    }
    if (event === 'gap') setNote('Some messages are missing here: this tab was too slow, or away.');
    if (event !== 'tail') return;
    const { messages, sampled } = data as Batch;
    take(messages);
    if (sampled)
      setNote(`Sampled: ${count(sampled.rate * 100)} % of ${count(sampled.per_s)} messages a second.`);
  });
  // Only what comes in is remembered with all that the tail shows of it.
  const past =
    at === 'ingest' && listening === query
      ? `/api/v1/messages?${filter}${filter.size > 0 ? '&' : ''}limit=${PAST}`
      : undefined;
  const { data } = useRemote<Batch>(past, 0, evicted ? POLL_MS : 0);
  useEffect(() => {
    if (data === undefined) return;
    const oldestFirst = data.messages.toReversed();
    if (evicted) take(oldestFirst);
    else keep((before) => merged(before, oldestFirst, true));
  }, [data]);

  return {
    messages: kept.query === query ? kept.messages : [],
    added: kept.added,
    // A message that the past has shown may come by the stream afterwards.
    waiting: freshOf(kept.messages, held).length,
    paused,
    note,
    error,
    toggle: () => {
      if (paused) keep((before) => merged(before, held, false));
      hold([]);
      setPaused(!paused);
    },
    clear: () => {
      keep((before) => ({ ...before, messages: [] }));
      hold([]);
      setNote('');
    },
  };
}
