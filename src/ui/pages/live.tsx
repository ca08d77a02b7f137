import { useEffect, useRef, useState } from 'preact/hooks';
import { clock, count } from '../format.ts';
import { bind } from '../keys.ts';
import { Page, ServiceName, State } from '../parts.tsx';
import { useRemote, useStream } from '../remote.ts';
import { adjust, param } from '../router.ts';
import type { LiveMessage } from '../shapes.ts';
import { visible } from '../visible.ts';

const MAX_KEPT = 1_000;
const MAX_SHOWN = 200;

interface Tail {
  readonly messages: readonly LiveMessage[];
  readonly sampled?: { readonly per_s: number; readonly rate: number };
}

/** The messages as they come in. */
export function LivePage() {
  const [kept, keep] = useState<readonly LiveMessage[]>([]);
  const [waiting, wait] = useState<readonly LiveMessage[]>([]);
  const [note, setNote] = useState('');
  const [open, setOpen] = useState<LiveMessage>();
  const [paused, setPaused] = useState(false);
  const isPaused = useRef(paused);
  isPaused.current = paused;
  const query = new URLSearchParams({ topics: 'tail', at: param('at') || 'ingest' });
  for (const name of ['text', 'level', 'source', 'job']) if (param(name)) query.set(name, param(name));
  useStream(query.toString(), (event, data) => {
    if (event === 'gap') setNote('Some messages are missing here: this tab was too slow, or away.');
    if (event !== 'tail') return;
    const { messages, sampled } = data as Tail;
    const add = (before: readonly LiveMessage[]) => [...before, ...messages].slice(-MAX_KEPT);
    if (isPaused.current) wait(add);
    else keep(add);
    if (sampled)
      setNote(`Sampled: ${count(sampled.rate * 100)} % of ${count(sampled.per_s)} messages a second.`);
  });
  const resume = () => {
    keep((before) => [...before, ...waiting].slice(-MAX_KEPT));
    wait([]);
    setPaused(false);
  };
  const clear = () => {
    keep([]);
    wait([]);
    setNote('');
  };
  useEffect(() => bind({ Space: () => (paused ? resume() : setPaused(true)), c: clear }));
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
      <input
        data-filter
        type="search"
        aria-label="Filter messages"
        placeholder="Filter  /"
        value={param('text')}
        onChange={(event) => adjust('text', event.currentTarget.value)}
      />
      {choose('level', ['', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'], 'Level')}
      {choose('at', ['ingest', 'route', 'backend'], 'Tap')}
      <button type="button" aria-pressed={paused} onClick={() => (paused ? resume() : setPaused(true))}>
        {paused ? `Resume (${count(waiting.length)})` : 'Pause'}
      </button>
      <button type="button" onClick={clear}>
        Clear
      </button>
    </div>
  );
  return (
    <Page title="Live" tools={tools}>
      {note !== '' && (
        <p class="banner" role="status">
          {note}
        </p>
      )}
      {kept.length === 0 && <p class="dim">Messages appear here as they come in.</p>}
      <div class="live">
        <ol class="tail" aria-label="Messages, the newest first">
          {kept
            .slice(-MAX_SHOWN)
            .toReversed()
            .map((message) => (
              <li key={`${message.id} ${message.backend ?? ''}`}>
                <button type="button" class="line" onClick={() => setOpen(message)}>
                  <span class="mono dim">{clock(message.time)}</span>
                  <ServiceName name={message.source} />
                  <span class={`level level-${message.level ?? 'none'}`}>
                    {visible(message.level ?? message.type)}
                  </span>
                  <span class="text">{visible(message.text)}</span>
                  {message.outcome !== undefined && (
                    <span>
                      {visible(message.backend ?? '')} <State state={message.outcome} />
                    </span>
                  )}
                </button>
              </li>
            ))}
        </ol>
        {open && <Drawer message={open} onClose={() => setOpen(undefined)} />}
      </div>
    </Page>
  );
}

interface Why {
  readonly backends?: readonly { backend: string; state: string; because: string; place?: string }[];
}

function Drawer({ message, onClose }: { message: LiveMessage; onClose: () => void }) {
  const { data, error } = useRemote<Why>(`/api/v1/why/${encodeURIComponent(message.id)}`, 0, 2_000);
  return (
    <aside class="detail" aria-label="The message">
      <h2>
        {visible(message.source)}{' '}
        <button type="button" onClick={onClose}>
          Close
        </button>
      </h2>
      {message.job_id !== undefined && (
        <a href={`/jobs/${encodeURIComponent(message.job_id)}`}>job {visible(message.job_id)}</a>
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
