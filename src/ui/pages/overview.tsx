import { count, moment } from '../format.ts';
import { Empty, Page, State } from '../parts.tsx';
import { useLatest } from '../remote.ts';
import type { Overview } from '../shapes.ts';
import { JobTable } from './jobs.tsx';

/** What runs, what failed, what is dropped, and how backends are. */
export function OverviewPage() {
  const { data: now, error } = useLatest<Overview>('/api/v1/overview', 'overview', 5_000);
  return (
    <Page title="Overview" error={error}>
      {now && <Board now={now} />}
    </Page>
  );
}

function Board({ now }: { now: Overview }) {
  const { ingest, drops, jobs } = now;
  const figures: readonly (readonly [string, string, boolean])[] = [
    ['messages / s', count(ingest.messages_per_s), false],
    ['messages', count(ingest.messages), false],
    ['connections', count(ingest.connections), false],
    ['rejected', count(drops.rejected), drops.rejected > 0],
    ['shed', count(drops.shed), drops.shed > 0],
    ['dead letters', count(drops.dead_lettered), drops.dead_lettered > 0],
    ['dropped by SDKs', count(drops.sdk), drops.sdk > 0],
  ];
  return (
    <>
      <dl class="figures">
        {figures.map(([name, value, bad]) => (
          <div key={name} class={bad ? 'bad' : ''}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      </dl>
      <ul class="chips" aria-label="Backends">
        {now.backends.map(({ backend, circuit, waiting }) => (
          <li key={backend}>
            <a href="/health">{backend}</a> <State state={circuit} />{' '}
            {waiting > 0 && `${count(waiting)} waiting`}
          </li>
        ))}
        <li>
          <a href="/config">configuration</a>{' '}
          {now.last_reload ? (
            <>
              <State state={now.last_reload.result} /> {moment(now.last_reload.time)}
            </>
          ) : (
            'as started'
          )}
        </li>
      </ul>
      {ingest.messages === 0 && (
        <Empty address={ingest.listening[0] ?? '127.0.0.1:17000'} connections={ingest.connections} />
      )}
      <h2>Running</h2>
      <JobTable jobs={jobs.running} none="No job runs now." />
      <h2>Failed within the last hour</h2>
      <JobTable jobs={jobs.failed} none="None failed." />
    </>
  );
}
