import type { Names } from './schema.ts';

/** The name of a message that no diagram has: an operator made it. */
export const MADE = '?';

const MOST = 1_000_000;

/** The names in `ab`, `[a, b]` or `m*100`, each as often as it is meant. Throws `Error` that says what is wrong. */
export function parseNames(written: Names): readonly string[] {
  const names: string[] = [];
  for (const text of [written].flat()) {
    let rest = text.trim();
    while (rest !== '') {
      const [whole, name, times = '1'] = /^([^*\s])(?:\*(\d+))?\s*/u.exec(rest) ?? [];
      if (whole === undefined || name === undefined) {
        throw new Error(`${JSON.stringify(text)} is no list of messages, such as ab, [a, b] or m*100`);
      }
      if (names.length + Number(times) > MOST) throw new Error(`more than ${MOST} messages`);
      for (let nth = 0; nth < Number(times); nth++) names.push(name);
      rest = rest.slice(whole.length);
    }
  }
  return names;
}

/** The shortest form of a list of names: `ab`, `m*100`. */
export function formatNames(names: readonly string[]): string {
  let text = '';
  for (let from = 0; from < names.length; ) {
    let to = from + 1;
    while (names[to] === names[from]) to++;
    const count = to - from;
    // A name that is a digit would be read as one of the number.
    const gap = /^\d/.test(names[to] ?? '') ? ' ' : '';
    text += count > 3 ? `${names[from]}*${count}${gap}` : names[from]?.repeat(count);
    from = to;
  }
  return text;
}
