import { FilterBox, Page, State } from '../parts.tsx';
import { useLatest } from '../remote.ts';
import { adjust, param } from '../router.ts';
import type { ConfigAnswer } from '../shapes.ts';
import { visible } from '../visible.ts';
import { Rules } from './rules.tsx';

/** The rules in force, and what became of edits of them. */
export function ConfigPage() {
  const { data: now, error } = useLatest<ConfigAnswer>('/api/v1/config', 'config', 10_000);
  const tools = <FilterBox of="rules" onInput={(event) => adjust('text', event.currentTarget.value)} />;
  return (
    <Page title="Configuration" error={error} tools={tools}>
      {now && (
        <>
          {now.rejected_on_disk && (
            <p class="banner bad" role="alert">
              The file on disk was rejected; the rules before it are in force.
            </p>
          )}
          <p>
            <code>{visible(now.file)}</code> <code>{now.hash.slice(0, 12)}</code> in force since{' '}
            <time dateTime={now.loaded}>{now.loaded}</time>
          </p>
          <Rules routing={now.config.routing} wanted={param('text')} />
          <h2>Reloads</h2>
          {now.history.length === 0 && <p class="dim">None yet. Save the file to change the rules.</p>}
          <ol class="reloads">
            {now.history.map((reload) => (
              <li key={reload.time} class="card">
                <State state={reload.result} /> <time dateTime={reload.time}>{reload.time}</time>{' '}
                <code>{reload.hash.slice(0, 12)}</code>
                <ul>
                  {reload.errors.map((each) => (
                    <li key={each} class="bad mono">
                      {visible(each)}
                    </li>
                  ))}
                </ul>
                {reload.diff !== '' && <Diff text={reload.diff} />}
              </li>
            ))}
          </ol>
        </>
      )}
    </Page>
  );
}

const Diff = ({ text }: { text: string }) => (
  // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls must be reachable by keys
  <pre tabIndex={0}>
    {text.split('\n').map((line, at) => (
      <span key={at} class={line.startsWith('+') ? 'added' : line.startsWith('-') ? 'removed' : ''}>
        {`${visible(line)}\n`}
      </span>
    ))}
  </pre>
);
