import { linesOf } from '../../deliver/letter-files.ts';
import { visible, visibleJson } from '../../visible.ts';
import { EXIT, type Out } from '../host.ts';
import {
  compileLetterFilter,
  type FoundLetter,
  filesFor,
  type LetterFilter,
  letterOf,
  recordTextOf,
} from './letters.ts';

export interface ShowOptions {
  readonly dir: string;
  readonly filter: LetterFilter;
  /** The lines as they are. */
  readonly json: boolean;
  /** Only the newest so many; absent: 20 for people, all as JSON. */
  readonly limit?: number | undefined;
}

interface Shown {
  readonly letter: FoundLetter;
  readonly line: string;
}

const FOR_PEOPLE = 20;

/** `sidecar dlq show`: the letters themselves, the newest last. */
export async function show({ dir, filter, json, limit }: ShowOptions, out: Out): Promise<number> {
  const most = limit ?? (json ? Number.POSITIVE_INFINITY : FOR_PEOPLE);
  const { newest, matching } = await newestOf(dir, filter, most);
  for (const { letter, line } of newest) out.write(json ? `${visibleJson(line)}\n` : pageOf(letter, line));
  if (matching === 0) out.write(json ? '' : `No dead letters match in ${visible(dir)}.\n`);
  else if (!json && matching > newest.length) {
    out.write(`The newest ${newest.length} of ${matching}; --limit shows more, --json all.\n`);
  }
  return matching === 0 ? EXIT.failed : EXIT.ok;
}

async function newestOf(dir: string, filter: LetterFilter, most: number) {
  const isMeant = compileLetterFilter(filter);
  let newest: Shown[] = [];
  let matching = 0;
  const cut = () => {
    newest = newest.sort((a, b) => compare(a.letter.deadAt, b.letter.deadAt)).slice(-most);
  };
  for (const path of filesFor(dir, filter)) {
    for await (const line of linesOf(path)) {
      const letter = letterOf(line);
      if (letter === undefined || !isMeant(letter)) continue;
      matching++;
      newest.push({ letter, line });
      if (newest.length > 2 * most + 1000) cut();
    }
  }
  cut();
  return { newest, matching };
}

const compare = (a: string, b: string) => (a === b ? 0 : a < b ? -1 : 1);

function pageOf(
  { deadAt, backend, reason, error, attempts, target, id, retries }: FoundLetter,
  line: string,
): string {
  const said = [
    `${attempts} attempt${attempts === 1 ? '' : 's'}`,
    ...(target === '' ? [] : [`target ${target}`]),
    ...(retries === 0 ? [] : [`retried ${retries} ×`]),
  ].join(', ');
  const lines = [`${id}  ${backend}  ${reason}  (${said})`, `  ${deadAt}  ${error}`].map(visible);
  return `${[...lines, `  ${visibleJson(recordTextOf(line))}`].join('\n')}\n\n`;
}
