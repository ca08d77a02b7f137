import { useState } from 'preact/hooks';
import { clock, count, counted, duration, hueOf } from '../format.ts';
import { From, Page, Progress, ServiceName, State } from '../parts.tsx';
import { useRemote, useStream } from '../remote.ts';
import { adjust, param, storyPath } from '../router.ts';
import type { Entry, Story } from '../shapes.ts';
import { visible } from '../visible.ts';
import { Waterfall } from './waterfall.tsx';

const TABS = ['Timeline', 'Logs', 'Metrics & resources', 'Raw'] as const;

/** A job or a trace: its services, spans and messages. */
export function StoryPage({ kind, id }: { kind: 'job' | 'trace'; id: string }) {
  const [version, setVersion] = useState(0);
  useStream(
    `topics=${kind}:${encodeURIComponent(id)}`,
    (event) => event === kind && setVersion((last) => last + 1),
  );
  const path = `/api/v1/${kind}s/${encodeURIComponent(id)}?limit=5000`;
  const { data: story, error } = useRemote<Story>(path, version, 10_000);
  return (
    <Page title={id} error={error} tools={story && <State state={story.state} />}>
      {story && (
        <>
          <From from={story.from} note={story.note} />
          <Header story={story} />
          <Strip story={story} />
          <Tabs story={story} />
        </>
      )}
    </Page>
  );
}

function Header({ story }: { story: Story }) {
  const spans = story.spans?.length ?? 0;
  return (
    <div class="story-head">
      <p class="total">
        <span class="dim">Total</span> <strong>{duration(story.total_ms)}</strong>
      </p>
      <p>
        {counted(spans, 'span')} ·{' '}
        <span class={story.errors > 0 ? 'bad' : ''}>{counted(story.errors, 'error')}</span> ·{' '}
        {counted(story.services.length, 'source')} · {counted(story.messages, 'message')}
        {story.percent !== undefined && <Progress percent={story.percent} label="the job" />}
      </p>
      <p>
        {story.trace_ids?.map((trace) => (
          <a key={trace} class="mono" href={storyPath('trace', trace)}>
            {visible(trace)}
          </a>
        ))}
        {story.warnings.includes('clock_skew') && <span class="badge">a child starts before its parent</span>}
        {story.warnings.includes('percent_clamped') && (
          <span class="badge">a percentage was outside 0–100</span>
        )}
        {story.warnings.includes('approximate') && (
          <span class="badge">some messages were only counted: spans and times may lack</span>
        )}
        {story.left_off !== undefined && (
          <span class="badge">{counted(story.left_off, 'older message')} in the database left off</span>
        )}
        {story.truncated && story.left_off === undefined && (
          <span class="badge">the oldest messages are known only as sums</span>
        )}
      </p>
    </div>
  );
}

function Strip({ story }: { story: Story }) {
  const gap = story.unattributed_ms > story.total_ms / 100 ? story.unattributed_ms : 0;
  return (
    <section aria-label="Time by service">
      <div class="strip" aria-hidden="true">
        {story.services.map(({ source, time_ms }) => (
          <i key={source} class={`fill-${hueOf(source)}`} style={{ flexGrow: time_ms }} />
        ))}
        {gap > 0 && <i class="gap" style={{ flexGrow: gap }} />}
      </div>
      <ul class="legend">
        {story.services.map(({ source, time_ms, summary }) => (
          <li key={source}>
            <ServiceName name={source} /> <b>{duration(time_ms)}</b>{' '}
            <span class="dim">{visible(summary)}</span>
          </li>
        ))}
        {gap > 0 && (
          <li>
            unattributed <b>{duration(gap)}</b>
          </li>
        )}
      </ul>
    </section>
  );
}

function Tabs({ story }: { story: Story }) {
  const tab = TABS.find((name) => name === param('tab')) ?? 'Timeline';
  const entries = story.timeline.filter(({ type }) =>
    tab === 'Logs' ? type === 'event' : type === 'metric' || type === 'resource',
  );
  return (
    <>
      <div role="tablist" aria-label="Views" class="tabs">
        {TABS.map((name) => (
          <button
            key={name}
            type="button"
            role="tab"
            id={`tab-${name}`}
            aria-selected={name === tab}
            onClick={() => adjust('tab', name === 'Timeline' ? '' : name)}
          >
            {name}
          </button>
        ))}
      </div>
      <div role="tabpanel" aria-label={tab}>
        {tab === 'Timeline' && <Waterfall story={story} />}
        {(tab === 'Logs' || tab === 'Metrics & resources') && <Entries entries={entries} />}
        {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys */}
        {tab === 'Raw' && <pre tabIndex={0}>{visible(JSON.stringify(story, null, 2), true)}</pre>}
      </div>
    </>
  );
}

const Entries = ({ entries }: { entries: readonly Entry[] }) =>
  entries.length === 0 ? (
    <p class="dim">None.</p>
  ) : (
    <table class="entries">
      <caption class="sr">{count(entries.length)} messages</caption>
      <tbody>
        {entries.map((entry) => (
          <tr key={entry.id}>
            <td class="mono">{clock(entry.time)}</td>
            <td>
              <ServiceName name={entry.source} />
            </td>
            <td>{visible(entry.level ?? entry.type)}</td>
            <td>{visible(entry.text)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
