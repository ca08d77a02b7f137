import type { RefObject } from 'preact';
import { useState } from 'preact/hooks';
import { State } from './parts.tsx';
import { useRemote } from './remote.ts';
import { go, storyPath } from './router.ts';
import type { StorySummary } from './shapes.ts';
import { visible } from './visible.ts';

interface Found {
  readonly path: string;
  readonly name: string;
  readonly state?: string;
}

const MAX_JOBS = 8;

/** The dialog that goes to what is typed: a job or trace by its id, or a page. */
export function Palette({
  of,
  pages,
}: {
  of: RefObject<HTMLDialogElement | null>;
  pages: readonly (readonly [path: string, name: string])[];
}) {
  const [text, setText] = useState('');
  const [isOpen, setOpen] = useState(false);
  const [chosen, choose] = useState(0);
  const found = useFound(text.trim(), isOpen, pages);
  const at = Math.min(chosen, found.length - 1);
  const reset = () => {
    setOpen(false);
    setText('');
    choose(0);
  };
  const leave = (path?: string) => {
    of.current?.close();
    reset();
    if (path !== undefined) go(path);
  };
  const move = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (by === undefined) return;
    event.preventDefault();
    choose((at + by + found.length) % Math.max(1, found.length));
  };
  return (
    <dialog
      ref={of}
      class="palette"
      aria-label="Jump"
      onCancel={reset}
      // The event may come when the dialog has been opened again, and somebody types.
      onClose={() => of.current?.open || reset()}
    >
      <form
        onSubmit={(event) => {
          event.preventDefault();
          leave(found[at]?.path);
        }}
      >
        <input
          role="combobox"
          aria-label="Job, trace or page"
          aria-expanded={found.length > 0}
          aria-controls="found"
          aria-activedescendant={found.length > 0 ? `found-${at}` : undefined}
          placeholder="Job, trace or page"
          autocomplete="off"
          value={text}
          onInput={(event) => {
            setText(event.currentTarget.value);
            choose(0);
          }}
          onKeyDown={move}
          onFocus={() => setOpen(true)}
        />
      </form>
      <div role="listbox" id="found" aria-label="Found">
        {found.map(({ path, name, state }, index) => (
          // biome-ignore lint/a11y/useFocusableInteractive: the focus stays in the combobox, which names the option
          // biome-ignore lint/a11y/useKeyWithClickEvents: the keys are the combobox's
          <div
            key={path}
            role="option"
            id={`found-${index}`}
            aria-selected={index === at}
            onClick={() => leave(path)}
          >
            {visible(name)} {state !== undefined && <State state={state} />}
          </div>
        ))}
      </div>
    </dialog>
  );
}

function useFound(
  text: string,
  isOpen: boolean,
  pages: readonly (readonly [path: string, name: string])[],
): readonly Found[] {
  const query = new URLSearchParams({ limit: String(MAX_JOBS), ...(text && { text }) });
  const { data } = useRemote<{ jobs: readonly StorySummary[] }>(isOpen ? `/api/v1/jobs?${query}` : undefined);
  const jobs = (data?.jobs ?? []).map(({ job_id: id = '', state }) => ({
    path: storyPath('job', id),
    name: id,
    state,
  }));
  const named = pages.filter(([, name]) => name.toLowerCase().includes(text.toLowerCase()));
  const trace = /^[0-9a-f]{16,32}$/.test(text)
    ? [{ path: storyPath('trace', text), name: `trace ${text}` }]
    : [];
  const exact = text === '' || jobs.some(({ name }) => name === text) ? [] : [jobOf(text)];
  return [...trace, ...jobs, ...named.map(([path, name]) => ({ path, name })), ...exact];
}

/** One that the list does not have, but a backend may. */
const jobOf = (text: string): Found => ({ path: storyPath('job', text), name: `job ${text}` });
