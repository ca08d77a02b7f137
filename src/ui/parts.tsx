import type { ComponentChildren, TargetedEvent } from 'preact';
import { useEffect } from 'preact/hooks';
import { hueOf } from './format.ts';
import { online } from './remote.ts';
import { param } from './router.ts';
import type { Provenance } from './shapes.ts';
import { visible } from './visible.ts';

/** A page with its heading, the tab's title, and what it says of a failure. */
export function Page(props: {
  title: string;
  error?: string;
  tools?: ComponentChildren;
  children?: ComponentChildren;
}) {
  useEffect(() => {
    document.title = `${visible(props.title)} · Sidecar`;
  }, [props.title]);
  return (
    <main id="main" tabIndex={-1}>
      <header class="page-head">
        <h1>{visible(props.title)}</h1>
        {props.tools}
      </header>
      {!online.value && (
        <p class="banner warn" role="status">
          The sidecar does not answer. What you see is the last that it said; trying again.
        </p>
      )}
      {props.error !== undefined && (
        <p class="banner bad" role="alert">
          {visible(props.error)}
        </p>
      )}
      {props.children}
    </main>
  );
}

/** Narrows what the page shows to the URL's `text`; the key `/` goes there. */
export const FilterBox = (props: {
  of: string;
  onInput?: (event: TargetedEvent<HTMLInputElement>) => void;
  onChange?: (event: TargetedEvent<HTMLInputElement>) => void;
}) => {
  const { of, ...handlers } = props;
  return (
    <input
      data-filter
      type="search"
      aria-label={`Filter ${of}`}
      placeholder="Filter  /"
      value={param('text')}
      {...handlers}
    />
  );
};

/** Says where an answer came from, unless it is all from memory, and what is missing of it. */
export const From = ({ from, note }: Provenance) =>
  from === 'memory' && note === undefined ? null : (
    <p class="origin">
      {from === 'postgres' && <span class="badge plain">from the database</span>}
      {note !== undefined && <span class="badge">{visible(note)}</span>}
    </p>
  );

/** A wide page shows as much of a name. */
const SHOWN_CHARS = 38;

/** A service by its colour, or `hue`, and its name. */
export const ServiceName = ({ name, hue = hueOf(name) }: { name: string; hue?: number }) => (
  <span class={`service hue-${hue}`} title={name.length > SHOWN_CHARS ? visible(name) : undefined}>
    <i class="swatch" aria-hidden="true" />
    {visible(name)}
  </span>
);

const MARKS: Readonly<Record<string, string>> = {
  succeeded: '✓',
  ok: '✓',
  delivered: '✓',
  closed: '✓',
  applied: '✓',
  failed: '✗',
  error: '✗',
  rejected: '✗',
  open: '✗',
  dead_lettered: '✗',
  running: '●',
  half_open: '◐',
  stalled: '!',
  abandoned: '!',
};

/** A state by its mark and its word. */
export const State = ({ state }: { state: string }) => (
  <span class={`state state-${state in MARKS ? state : 'other'}`}>
    <span aria-hidden="true">{MARKS[state] ?? '○'}</span> {visible(state).replaceAll('_', ' ')}
  </span>
);

const LINE = '{"source":"shell","type":"event","data":{"level":"info","message":"hello"}}';
const snippets = (address: string): readonly (readonly [string, string])[] => {
  const [host = '127.0.0.1', port = '17000'] = address.split(/:(?=\d+$)/);
  return [
    ['nc', `echo '${LINE}' | nc -w1 ${host} ${port}`],
    [
      'Perl',
      `use Monitoring::SDK;\nmy $m = Monitoring::SDK->new(source => 'shell', tcp_host => '${host}', tcp_port => ${port});\n$m->log_event('info', 'hello');`,
    ],
    [
      'Python',
      `import socket\nwith socket.create_connection(('${host}', ${port})) as s:\n    s.sendall(b'${LINE}\\n')`,
    ],
  ];
};

/** What is shown while nothing came: how to send something, and who is connected. */
export function Empty({ address, connections }: { address: string; connections: number }) {
  return (
    <section class="empty" aria-label="Nothing came yet">
      <h2>Waiting for the first message</h2>
      <p role="status">
        Listening on <code>{visible(address)}</code> · {connections} connected now
      </p>
      <div class="snippets">
        {snippets(address).map(([name, text]) => (
          <figure key={name}>
            <figcaption>
              {name}{' '}
              <button type="button" onClick={() => void navigator.clipboard?.writeText(text)}>
                Copy<span class="sr"> the {name} snippet</span>
              </button>
            </figcaption>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys */}
            <pre tabIndex={0}>{text}</pre>
          </figure>
        ))}
      </div>
    </section>
  );
}

export const Progress = ({ percent, label }: { percent?: number; label: string }) =>
  percent === undefined ? (
    <span class="dim">–</span>
  ) : (
    <span class="progress">
      <progress max={100} value={percent} aria-label={`progress of ${visible(label)}`} />{' '}
      {Math.round(percent)} %
    </span>
  );
