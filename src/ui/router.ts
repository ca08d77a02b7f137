import { signal } from '@preact/signals';

const here = () => new URL(location.href);

/** Where the page is. */
export const place = signal(here());
addEventListener('popstate', () => {
  place.value = here();
});

/** Goes to a page: a new entry in the history. */
export function go(path: string): void {
  history.pushState(null, '', path);
  place.value = here();
}

/** Sets a parameter of the URL in the same entry of the history, once for each value. */
export function adjustAll(name: string, values: readonly string[]): void {
  const next = here();
  next.searchParams.delete(name);
  for (const value of values) next.searchParams.append(name, value);
  history.replaceState(null, '', next);
  place.value = next;
}

/** Sets a parameter of the URL likewise; '' removes it. */
export const adjust = (name: string, value: string): void => adjustAll(name, value === '' ? [] : [value]);

/** A parameter of the URL; empty when it is not there. */
export const param = (name: string): string => place.value.searchParams.get(name) ?? '';

/** The address of a job or trace; half of a surrogate pair, which no address can have, becomes U+FFFD. */
export const storyPath = (kind: 'job' | 'trace', id: string): string =>
  `/${kind}s/${encodeURIComponent(id.replace(/\p{Surrogate}/gu, '\ufffd'))}`;

/** The id in such an address; a broken escape stands as it is. */
export function idOf(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Follows links of our own without loading the page again. */
export function follow(event: MouseEvent): void {
  const link = event.target instanceof Element ? event.target.closest('a') : null;
  const plain = event.button === 0 && !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (!link || !plain || link.origin !== location.origin || link.hash !== '') return;
  event.preventDefault();
  go(link.pathname + link.search);
}
