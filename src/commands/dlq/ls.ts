import { linesOf } from '../../deliver/letter-files.ts';
import { visible } from '../../visible.ts';
import { EXIT, type Out } from '../host.ts';
import { compileLetterFilter, type FoundLetter, filesFor, type LetterFilter, letterOf } from './letters.ts';

/** Letters of one backend, reason and source. */
interface Group {
  readonly backend: string;
  readonly reason: string;
  readonly source: string;
  letters: number;
  first: string;
  last: string;
  /** What the backend said last. */
  error: string;
}

/** `sidecar dlq ls`: how many letters there are, by backend, reason and source. */
export async function ls(
  { dir, filter, json }: { readonly dir: string; readonly filter: LetterFilter; readonly json: boolean },
  out: Out,
): Promise<number> {
  const groups = [...(await groupsOf(dir, filter)).values()].sort((a, b) => b.letters - a.letters);
  if (json) for (const group of groups) out.write(`${JSON.stringify(group)}\n`);
  else out.write(groups.length === 0 ? `No dead letters match in ${visible(dir)}.\n` : tableOf(groups));
  return EXIT.ok;
}

async function groupsOf(dir: string, filter: LetterFilter): Promise<ReadonlyMap<string, Group>> {
  const isMeant = compileLetterFilter(filter);
  const groups = new Map<string, Group>();
  for (const path of filesFor(dir, filter)) {
    for await (const line of linesOf(path)) {
      const letter = letterOf(line);
      if (letter !== undefined && isMeant(letter)) add(groups, letter);
    }
  }
  return groups;
}

function add(groups: Map<string, Group>, { backend, reason, source, deadAt, error }: FoundLetter): void {
  const key = JSON.stringify([backend, reason, source]);
  const group = groups.get(key);
  if (group === undefined) {
    groups.set(key, { backend, reason, source, letters: 1, first: deadAt, last: deadAt, error });
    return;
  }
  group.letters++;
  if (deadAt < group.first) group.first = deadAt;
  if (deadAt < group.last) return;
  group.last = deadAt;
  group.error = error;
}

const HEADS = ['LETTERS', 'BACKEND', 'REASON', 'SOURCE', 'FIRST', 'LAST', 'LAST ERROR'];

function tableOf(groups: readonly Group[]): string {
  const rows = groups.map(({ letters, backend, reason, source, first, last, error }) =>
    [String(letters), backend, reason, source, first, last, error].map(visible),
  );
  const widths = HEADS.map((head, at) =>
    Math.max(...[head, ...rows.map((row) => row[at] ?? '')].map(({ length }) => length)),
  );
  const line = (row: readonly string[]) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd();
  const sum = groups.reduce((total, { letters }) => total + letters, 0);
  return `${[HEADS, ...rows].map(line).join('\n')}\n\n${sum} in all. Look at them: sidecar dlq show; send them again: sidecar dlq retry\n`;
}
