import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import { count } from '../format.ts';
import { bind } from '../keys.ts';
import { FilterBox, Page, ServiceName, State } from '../parts.tsx';
import { useRemote } from '../remote.ts';
import { adjust, adjustAll, param, place, storyPath } from '../router.ts';
import type { LiveMessage } from '../shapes.ts';
import { useTail } from '../tail.ts';
import { visible } from '../visible.ts';
import { TailList } from './tail-list.tsx';

const FILTERS = ['text', 'level', 'source', 'job'];

/** The messages as they come in. */
export function LivePage() {
  const filter = new URLSearchParams(FILTERS.flatMap((name) => (param(name) ? [[name, param(name)]] : [])));
  const tail = useTail(filter, param('at') || 'ingest');
  const [open, setOpen] = useState<LiveMessage>();
  const hidden = new Set(place.value.searchParams.getAll('hide'));
  const sources = [...new Set([...tail.messages.map(({ source }) => source), ...hidden])].sort();
  const shown = hidden.size === 0 ? tail.messages : tail.messages.filter(({ source }) => !hidden.has(source));
  // Before the next key can come.
  useLayoutEffect(() => bind({ Space: tail.toggle, c: tail.clear }));
  const choose = (name: string, values: readonly string[], label: string) => (
    <select
      aria-label={label}
      value={param(name) || values[0]}
      onChange={(event) => adjust(name, event.currentTarget.value)}
    >
      {values.map((value) => (
        <option key={value} value={value}>
          {value || 'every level'}
        </option>
      ))}
    </select>
  );
  const tools = (
    <div class="tools">
      <FilterBox of="messages" onChange={(event) => adjust('text', event.currentTarget.value)} />
      {choose('level', ['', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'], 'Level')}
      {choose('at', ['ingest', 'route', 'backend'], 'Tap')}
      <button type="button" aria-pressed={tail.paused} onClick={tail.toggle}>
        {tail.paused ? `Resume (${count(tail.waiting)})` : 'Pause'}
      </button>
      <button type="button" onClick={tail.clear}>
        Clear
      </button>
    </div>
  );
  return (
    <Page title="Live" error={tail.error} tools={tools}>
      {tail.note !== '' && (
        <p class="banner" role="status">
          {tail.note}
        </p>
      )}
      <Sources names={sources} hidden={hidden} />
      {shown.length === 0 && <p class="dim">Messages appear here as they come in.</p>}
      <div class="live">
        <TailList messages={shown} added={tail.added} marked={param('text')} onOpen={setOpen} />
        {open && <Drawer message={open} onClose={() => setOpen(undefined)} />}
      </div>
    </Page>
  );
}

const MAX_TOGGLES = 24;

/** One toggle a source; what is hidden is in the URL. */
function Sources({ names, hidden }: { names: readonly string[]; hidden: ReadonlySet<string> }) {
  if (names.length < 2 && hidden.size === 0) return null;
  const toggle = (name: string) =>
    adjustAll('hide', hidden.has(name) ? [...hidden].filter((one) => one !== name) : [...hidden, name]);
  return (
    <fieldset class="sources">
      <legend class="sr">Sources</legend>
      {names.slice(0, MAX_TOGGLES).map((name) => (
        <button key={name} type="button" aria-pressed={!hidden.has(name)} onClick={() => toggle(name)}>
          <ServiceName name={name} />
        </button>
      ))}
      {names.length > MAX_TOGGLES && <span class="dim">{names.length - MAX_TOGGLES} more</span>}
    </fieldset>
  );
}

interface Why {
  readonly backends?: readonly { backend: string; state: string; because: string; place?: string }[];
}

function Drawer({ message, onClose }: { message: LiveMessage; onClose: () => void }) {
  const { data, error } = useRemote<Why>(`/api/v1/why/${encodeURIComponent(message.id)}`, 0, 2_000);
  const close = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => bind({ Escape: onClose }));
  // Who reads by keys is in it, and afterwards where they came from.
  useLayoutEffect(() => {
    const from = document.activeElement;
    close.current?.focus();
    return () => from instanceof HTMLElement && from.focus();
  }, []);
  return (
    <aside class="detail" aria-label="The message">
      <h2>
        {visible(message.source)}{' '}
        <button type="button" ref={close} onClick={onClose}>
          Close
        </button>
      </h2>
      {message.job_id !== undefined && (
        <a href={storyPath('job', message.job_id)}>job {visible(message.job_id)}</a>
      )}
      <h3>Delivery</h3>
      {error !== undefined && <p class="dim">{visible(error)}</p>}
      <ul>
        {data?.backends?.map(({ backend, state, because, place }) => (
          <li key={backend}>
            <b>{visible(backend)}</b> <State state={state} />{' '}
            <span class="dim">{visible(place ?? because)}</span>
          </li>
        ))}
      </ul>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys */}
      <pre tabIndex={0}>{visible(JSON.stringify(message.record ?? message, null, 2), true)}</pre>
    </aside>
  );
}
