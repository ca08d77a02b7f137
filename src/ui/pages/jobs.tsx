import { useState } from 'preact/hooks';
import { count, duration, moment } from '../format.ts';
import { FilterBox, From, Page, Progress, ServiceName, State } from '../parts.tsx';
import { useRemote, useStream } from '../remote.ts';
import { adjust, go, param, storyPath } from '../router.ts';
import type { Provenance, StorySummary } from '../shapes.ts';
import { visible } from '../visible.ts';

const NUMBERS: ReadonlySet<string> = new Set(['Duration', 'Errors']);

export function JobTable({ jobs, none }: { jobs: readonly StorySummary[]; none: string }) {
  if (jobs.length === 0) return <p class="dim">{none}</p>;
  return (
    <div class="scroll">
      <table>
        <thead>
          <tr>
            {['Job', 'Status', 'Progress', 'Service', 'Duration', 'Started', 'Errors'].map((name) => (
              <th key={name} scope="col" class={NUMBERS.has(name) ? 'num' : ''}>
                {name}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {jobs.map((job) => (
            <JobRow key={job.job_id} job={job} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

const JobRow = ({ job }: { job: StorySummary }) => (
  <tr>
    <th scope="row">
      <a data-row href={storyPath('job', job.job_id ?? '')}>
        {visible(job.job_id ?? '')}
      </a>
    </th>
    <td>
      <State state={job.state} />
    </td>
    <td>
      <Progress percent={job.percent} label={job.job_id ?? ''} />
    </td>
    <td>
      {job.current_source === undefined ? (
        <span class="dim">–</span>
      ) : (
        <ServiceName name={job.current_source} />
      )}
    </td>
    <td class="num">
      {duration(job.total_ms)}
      {job.eta_ms !== undefined && <span class="dim"> ≈ {duration(job.eta_ms)} left</span>}
    </td>
    <td>
      <time dateTime={job.started}>{moment(job.started)}</time>
    </td>
    <td class={job.errors > 0 ? 'num bad' : 'num'}>{count(job.errors)}</td>
  </tr>
);

const STATES = ['queued', 'running', 'succeeded', 'failed', 'cancelled', 'stalled', 'abandoned'];

/** Another filter begins at its first page. */
function filter(name: string, value: string): void {
  adjust('cursor', '');
  adjust(name, value);
}

/** All jobs that are remembered, by filter. */
export function JobsPage() {
  const [version, setVersion] = useState(0);
  useStream('topics=jobs', (event) => event === 'jobs' && setVersion((last) => last + 1));
  const query = new URLSearchParams();
  for (const name of ['state', 'text', 'source', 'cursor']) if (param(name)) query.set(name, param(name));
  const { data, error } = useRemote<Provenance & { jobs: StorySummary[]; next?: string }>(
    `/api/v1/jobs?${query}`,
    version,
    10_000,
  );
  const older = () =>
    go(`/jobs?${new URLSearchParams({ ...Object.fromEntries(query), cursor: data?.next ?? '' })}`);
  const tools = (
    <form class="tools" onSubmit={(event) => event.preventDefault()}>
      <FilterBox of="jobs" onInput={(event) => filter('text', event.currentTarget.value)} />
      <select
        aria-label="State"
        value={param('state')}
        onChange={(event) => filter('state', event.currentTarget.value)}
      >
        <option value="">every state</option>
        {STATES.map((state) => (
          <option key={state}>{state}</option>
        ))}
      </select>
    </form>
  );
  return (
    <Page title="Jobs" error={error} tools={tools}>
      {data && <From from={data.from} note={data.note} />}
      {data && (
        <JobTable
          jobs={data.jobs}
          none="No job like this is remembered. A message with a job_id starts one."
        />
      )}
      {data?.next !== undefined && (
        <button type="button" onClick={older}>
          Older
        </button>
      )}
    </Page>
  );
}
