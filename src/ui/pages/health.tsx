import { count, counted, duration, moment, size } from '../format.ts';
import { Page, State } from '../parts.tsx';
import { useLatest, useNow } from '../remote.ts';
import type { BackendHealth, Health } from '../shapes.ts';
import { visible } from '../visible.ts';

/** How backends, ingest and the process are. */
export function HealthPage() {
  const { data: now, error } = useLatest<Health>('/api/v1/health', 'health', 5_000);
  return (
    <Page title="Health" error={error}>
      {now && (
        <>
          <div class="cards">
            {now.backends.map((backend) => (
              <Backend key={backend.backend} of={backend} />
            ))}
          </div>
          {now.backends.length === 0 && <p class="dim">No rule sends to a backend yet.</p>}
          <Inside now={now} />
        </>
      )}
    </Page>
  );
}

function Backend({ of }: { of: BackendHealth }) {
  const { queue } = of;
  const lost = of.outcomes.filter(({ outcome }) => outcome !== 'delivered');
  return (
    <section class="card" aria-label={of.backend}>
      <h2>
        {visible(of.backend)} <span class="dim">{of.type}</span>
      </h2>
      <p>
        <State state={of.circuit} /> {of.next_probe_at !== undefined && <Probe at={of.next_probe_at} />}
      </p>
      <dl>
        <dt>queue</dt>
        <dd>
          {counted(queue.messages, 'message')} · {size(queue.bytes)} of {size(queue.max_bytes)}
        </dd>
        <dt>oldest</dt>
        <dd>{duration(queue.oldest_ms)}</dd>
        <dt>in · out</dt>
        <dd>
          {count(of.in_per_s)} · {count(of.out_per_s)} / s
        </dd>
        <dt>retries</dt>
        <dd>{count(of.retries)}</dd>
        <dt>spool</dt>
        <dd>{size(of.spool.bytes)}</dd>
        {lost.map(({ outcome, reason, messages }) => [
          <dt key={`${outcome} ${reason}`}>{outcome.replaceAll('_', ' ')}</dt>,
          <dd key={`${outcome} ${reason}!`}>
            {count(messages)} · {visible(reason)}
          </dd>,
        ])}
      </dl>
      {of.last_error_at !== undefined && (
        <p class={of.circuit === 'closed' ? 'dim' : 'bad'}>
          Last error at {moment(of.last_error_at)}: {visible(of.last_error)}
        </p>
      )}
    </section>
  );
}

function Probe({ at }: { at: string }) {
  const leftMs = Date.parse(at) - useNow(1_000);
  return <span role="timer">{leftMs > 0 ? `next probe in ${duration(leftMs)}` : 'probe due'}</span>;
}

const Inside = ({ now: { ingest, process } }: { now: Health }) => (
  <div class="cards">
    <section class="card" aria-label="Ingest">
      <h2>Ingest</h2>
      <p>
        {count(ingest.messages_per_s)} messages / s · {size(ingest.bytes_per_s)} / s
      </p>
      <ul>
        {ingest.clients.map(({ sdk, version, connections }) => (
          <li key={`${sdk} ${version}`}>
            {visible(sdk || 'plain socket')} {visible(version)} · {counted(connections, 'connection')}
          </li>
        ))}
        {ingest.rejected.map(({ reason, count: refused }) => (
          <li key={reason} class="bad">
            rejected {count(refused)} · {visible(reason)}
          </li>
        ))}
      </ul>
    </section>
    <section class="card" aria-label="Process">
      <h2>Process</h2>
      <p>
        {size(process.rss_bytes)} resident · event loop p99 {duration(process.event_loop_lag_ms.p99)}
      </p>
    </section>
  </div>
);
