/** Every key of the page: what it does where; the help dialog is drawn from this too. */
export const KEYS = [
  ['/', 'filter'],
  ['g o', 'overview'],
  ['g j', 'jobs'],
  ['g l', 'live'],
  ['g m', 'metrics'],
  ['g h', 'health'],
  ['g c', 'configuration'],
  ['Ctrl+K', 'jump to a job, trace or page'],
  ['j', 'next row'],
  ['k', 'previous row'],
  ['ArrowRight', 'expand'],
  ['ArrowLeft', 'collapse'],
  ['f', 'focus on the subtree, or leave it'],
  ['z', 'zoom to the span, or out'],
  ['e', 'next error'],
  ['Space', 'pause or resume'],
  ['c', 'clear'],
  ['Escape', 'close the message'],
  ['y', 'copy the link'],
  ['t', 'theme'],
  ['?', 'this help'],
] as const;

/** A key or a sequence of keys as the catalogue writes it. */
export type Key = (typeof KEYS)[number][0];

type Actions = Partial<Record<Key, () => void>>;
const layers: Actions[] = [];

/** Adds what keys do until the returned function is called; the newest layer goes first, a sequence before a key. */
export function bind(actions: Actions): () => void {
  layers.unshift(actions);
  return () => void layers.splice(layers.indexOf(actions), 1);
}

const boundTo = (key: string) =>
  layers.map((layer) => layer[key as Key]).find((found) => found !== undefined);

const SEQUENCE_MS = 1_000;
let before = { key: '', at: 0 };

/** Does what a key stands for, unless somebody types or a dialog is open. */
export function press(event: KeyboardEvent): void {
  const { target } = event;
  const typing =
    target instanceof Element && target.closest('input, textarea, select, dialog[open]') !== null;
  const pressing = target instanceof Element && event.key === ' ' && target.closest('button, a') !== null;
  const name =
    event.ctrlKey || event.metaKey
      ? `Ctrl+${event.key.toUpperCase()}`
      : event.key === ' '
        ? 'Space'
        : event.key;
  if ((typing && name !== 'Ctrl+K') || pressing || event.altKey) return;
  const pair = event.timeStamp - before.at < SEQUENCE_MS ? `${before.key} ${name}` : '';
  before = { key: name, at: event.timeStamp };
  const act = boundTo(pair) ?? boundTo(name);
  if (act === undefined) return;
  event.preventDefault();
  act();
}
