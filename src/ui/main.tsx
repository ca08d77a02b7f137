import { render } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { bind, KEYS, press } from './keys.ts';
import { ConfigPage } from './pages/config.tsx';
import { HealthPage } from './pages/health.tsx';
import { JobsPage } from './pages/jobs.tsx';
import { LivePage } from './pages/live.tsx';
import { MetricsPage } from './pages/metrics.tsx';
import { OverviewPage } from './pages/overview.tsx';
import { StoryPage } from './pages/story.tsx';
import { Palette } from './palette.tsx';
import { Page } from './parts.tsx';
import { follow, go, idOf, place } from './router.ts';
import './style.css';

const PAGES = [
  ['/', 'Overview', 'o', OverviewPage],
  ['/jobs', 'Jobs', 'j', JobsPage],
  ['/live', 'Live', 'l', LivePage],
  ['/metrics', 'Metrics', 'm', MetricsPage],
  ['/health', 'Health', 'h', HealthPage],
  ['/config', 'Configuration', 'c', ConfigPage],
] as const;

function Current() {
  const path = place.value.pathname.replace(/(.)\/$/, '$1');
  const [, kind, id] = /^\/(job|trace)s\/([^/]+)$/.exec(path) ?? [];
  if (kind !== undefined && id !== undefined) {
    return <StoryPage key={path} kind={kind as 'job' | 'trace'} id={idOf(id)} />;
  }
  const [, , , Found] = PAGES.find(([at]) => at === path) ?? [];
  return Found ? <Found /> : <Page title="Not found" error="There is nothing at this address." />;
}

const THEME = 'theme';
const dark = matchMedia('(prefers-color-scheme: dark)');
const setTheme = (theme: string | null) => {
  document.documentElement.dataset.theme = theme ?? (dark.matches ? 'dark' : 'light');
};
const switchTheme = () => {
  const next = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
  localStorage.setItem(THEME, next);
  setTheme(next);
};

/** Moves the focus among links of a list of jobs; the waterfall has keys of its own. */
function step(by: number): void {
  const rows = [...document.querySelectorAll<HTMLElement>('[data-row]')];
  const at = rows.indexOf(document.activeElement as HTMLElement);
  rows[Math.max(0, Math.min(rows.length - 1, at + by))]?.focus();
}

function App() {
  const help = useRef<HTMLDialogElement>(null);
  const jump = useRef<HTMLDialogElement>(null);
  useEffect(
    () =>
      bind({
        '/': () => document.querySelector<HTMLElement>('[data-filter]')?.focus(),
        ...Object.fromEntries(PAGES.map(([path, , key]) => [`g ${key}`, () => go(path)])),
        'Ctrl+K': () => jump.current?.showModal(),
        j: () => step(1),
        k: () => step(-1),
        y: () => void navigator.clipboard?.writeText(location.href),
        t: switchTheme,
        '?': () => help.current?.showModal(),
      }),
    [],
  );
  return (
    <>
      <a class="skip" href="#main">
        Skip to content
      </a>
      <nav aria-label="Pages">
        <span class="brand">sidecar</span>
        {PAGES.map(([path, name]) => (
          <a key={path} href={path} aria-current={place.value.pathname === path ? 'page' : undefined}>
            {name}
          </a>
        ))}
        <span class="end">
          <button type="button" onClick={switchTheme}>
            Theme
          </button>
          <button type="button" aria-label="Keys" onClick={() => help.current?.showModal()}>
            ?
          </button>
        </span>
      </nav>
      <Current />
      <dialog ref={help} aria-labelledby="keys">
        <h2 id="keys">Keys</h2>
        <dl class="keys">
          {KEYS.map(([key, does]) => (
            <div key={key}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{does}</dd>
            </div>
          ))}
        </dl>
        <form method="dialog">
          <button type="submit">Close</button>
        </form>
      </dialog>
      <Palette of={jump} pages={PAGES.map(([path, name]) => [path, name])} />
    </>
  );
}

setTheme(localStorage.getItem(THEME));
addEventListener('keydown', press);
addEventListener('click', follow);
const app = document.getElementById('app');
if (app) render(<App />, app);
