import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';

/** Whether the sidecar answers; false keeps what was shown last. */
export const online = signal(true);

/** What an answer brought, or why there is none. */
export interface Answer<T> {
  readonly data?: T;
  readonly error?: string;
}

/** Asks once. */
export async function read<T>(path: string, signalled: AbortSignal): Promise<Answer<T>> {
  const response = await ask(path, signalled);
  return response.ok ? { data: (await response.json()) as T } : { error: await problemOf(response) };
}

const ask = (path: string, signalled: AbortSignal) =>
  fetch(path, { signal: signalled, headers: { Accept: 'application/json' } });

async function problemOf(response: Response): Promise<string> {
  const { error, hint } = await response.json();
  return `${error}: ${hint}`;
}

const RETRY_MS = 2_000;

/**
 * Reads `path` now, whenever `version` changes and, with `everyMs`, again and again; keeps the last answer while the
 * sidecar is away. `undefined` reads nothing. `from` reads an answer that is of several pages.
 */
export function useRemote<T>(
  path: string | undefined,
  version: unknown = 0,
  everyMs = 0,
  from: typeof read<T> = read,
): Answer<T> {
  const [held, hold] = useState<{ path: string | undefined; answer: Answer<T> }>({ path, answer: {} });
  useEffect(() => {
    if (path === undefined) return;
    const ended = new AbortController();
    let timer = 0;
    const again = async () => {
      let nextMs = everyMs;
      try {
        const answer = await from(path, ended.signal);
        online.value = true;
        hold({ path, answer });
      } catch {
        if (ended.signal.aborted) return;
        online.value = false;
        nextMs = RETRY_MS;
      }
      if (nextMs > 0) timer = setTimeout(() => void again(), nextMs);
    };
    void again();
    return () => {
      ended.abort();
      clearTimeout(timer);
    };
  }, [path, version, everyMs]);
  return held.path === path ? held.answer : {};
}

/**
 * Listens to the stream while its component is there; `hello` comes first, whenever it is connected. `undefined`
 * listens to nothing. Returns why the stream is refused, while it is.
 */
export function useStream(
  query: string | undefined,
  hear: (event: string, data: never) => void,
): string | undefined {
  const [refused, refuse] = useState<{ query: string; problem: string }>();
  useEffect(() => {
    if (query === undefined) return;
    const path = `/api/v1/stream?${query}`;
    const ended = new AbortController();
    let stream: EventSource;
    let timer = 0;
    const open = () => {
      stream = new EventSource(path);
      for (const name of ['hello', 'overview', 'health', 'config', 'jobs', 'job', 'trace', 'tail', 'gap']) {
        stream.addEventListener(name, (event) => hear(name, JSON.parse(event.data) as never));
      }
      stream.addEventListener('hello', () => {
        online.value = true;
        refuse(undefined);
      });
      stream.addEventListener('error', () => {
        // An answer that is no stream ends it; whatever else happens, it tries again by itself.
        if (stream.readyState === EventSource.CLOSED) void explain();
        else online.value = false;
      });
      // The newest tabs have the streams; this one asks every few seconds instead.
      stream.addEventListener('evicted', () => {
        stream.close();
        hear('evicted', undefined as never);
      });
    };
    const explain = async () => {
      try {
        const response = await ask(path, ended.signal);
        online.value = true;
        if (response.ok) await response.body?.cancel();
        else refuse({ query, problem: await problemOf(response) });
      } catch {
        if (ended.signal.aborted) return;
        online.value = false;
      }
      timer = setTimeout(open, RETRY_MS);
    };
    open();
    return () => {
      ended.abort();
      clearTimeout(timer);
      stream.close();
    };
  }, [query]);
  return refused?.query === query ? refused?.problem : undefined;
}

/** The latest of what is read every `everyMs` and what the stream says meanwhile of `topic`. */
export function useLatest<T>(path: string, topic: string, everyMs: number): Answer<T> {
  const asked = useRemote<T>(path, 0, everyMs);
  const [latest, hold] = useState<T>();
  useEffect(() => {
    if (asked.data !== undefined) hold(asked.data);
  }, [asked.data]);
  useStream(`topics=${topic}`, (event, data) => event === topic && hold(data));
  return { ...asked, data: latest ?? asked.data };
}

/** The time, epoch milliseconds, read every `everyMs`; once where that is 0. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (everyMs === 0) return;
    const timer = setInterval(() => setNow(Date.now()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}
