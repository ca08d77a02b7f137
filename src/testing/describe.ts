import { visible } from '../visible.ts';
import { type Comparison, type Difference, isSame } from './compare.ts';
import type { Entry, Kind } from './expectation.ts';
import { formatMarbles, formatTime } from './marbles.ts';
import { formatNames } from './names.ts';
import type { Recording } from './recording.ts';
import { drawTable, type TableRow } from './table.ts';

/** How a failure is shown. */
export interface Look {
  /** Width of the page in characters. */
  readonly width: number;
  expected(text: string): string;
  received(text: string): string;
  faint(text: string): string;
}

const same = (text: string) => text;

/** No colours. */
export const PLAIN: Look = { width: 100, expected: same, received: same, faint: same };

const MOST_LOG_LINES = 10;

/** Says what is wrong: remarks, then expected and received under each other by time, then how to expect the latter. */
export function describe(findings: Comparison, recording: Recording, look: Look): readonly string[] {
  const { remarks, differences } = findings;
  const { log } = recording;
  return [
    ...remarks.flatMap((remark) => remark.split('\n').map(visible)),
    ...(differences.length === 0 ? [] : diff(differences, recording, look)),
    ...suggestions(differences),
    ...log.slice(0, MOST_LOG_LINES).map((line) => look.faint(`log: ${visible(line)}`)),
    ...(log.length > MOST_LOG_LINES ? [look.faint(`log: and ${log.length - MOST_LOG_LINES} more`)] : []),
  ];
}

function diff(differences: readonly Difference[], recording: Recording, look: Look): readonly string[] {
  const sides = differences.map(rowsOf(look));
  const context = contextOf(recording);
  const rows = [...context, ...sides.flatMap(({ rows }) => rows)];
  const columns = [...new Set(rows.flatMap(({ cells }) => [...cells.keys()]))].sort((a, b) => a - b);
  const times: TableRow = {
    labels: ['', ''],
    cells: new Map(columns.map((ms) => [ms, formatTime(ms)])),
    paint: look.faint,
  };
  const wrong = new Set(sides.flatMap(({ wrong }) => [...wrong]));
  return drawTable([times, ...rows], columns, wrong, look.width);
}

/** What went in, and reloads. */
function contextOf({ received, reloads }: Recording): readonly TableRow[] {
  const messages = cellsBy(received, (of) => visible(formatNames(of.map(({ message }) => message))));
  const changes = cellsBy(reloads, (of) =>
    of.map(({ name, result }) => (result === 'applied' ? name : `${name}:${result}`)).join(' '),
  );
  return [
    { labels: ['in', ''], cells: messages },
    ...(changes.size === 0 ? [] : [{ labels: ['reload', ''] as const, cells: changes }]),
  ];
}

const rowsOf =
  (look: Look) =>
  (difference: Difference): { readonly rows: readonly TableRow[]; readonly wrong: ReadonlySet<number> } => {
    const { kind, backend, expected, received } = difference;
    const name = kind === 'out' ? backend : `${backend} ${kind}`;
    const mark = markOf(difference);
    const textOf = (entries: readonly Entry[]) => entries.map((entry) => batchText(entry, mark)).join(' ');
    const times = new Set([...expected, ...received].map(({ ms }) => ms));
    const at = (entries: readonly Entry[], ms: number) => entries.filter((entry) => entry.ms === ms);
    const wrong = new Set([...times].filter((ms) => !isSame(kind, at(expected, ms), at(received, ms))));
    const marks = new Map(
      [...wrong].map((ms) => {
        const widths = [expected, received].map((entries) => textOf(at(entries, ms)).length);
        return [ms, '^'.repeat(Math.max(...widths))];
      }),
    );
    const onlyWrong = (paint: (text: string) => string) => (cell: string, ms: number) =>
      wrong.has(ms) ? paint(cell) : cell;
    const rows: readonly TableRow[] = [
      { labels: [name, 'expected'], cells: cellsBy(expected, textOf), paint: onlyWrong(look.expected) },
      { labels: ['', 'received'], cells: cellsBy(received, textOf), paint: onlyWrong(look.received) },
      { labels: ['', ''], cells: marks, paint: look.received },
    ];
    return { rows, wrong };
  };

const batchText = ({ names, detail }: Entry, mark: string): string =>
  visible(`[${formatNames(names)}]${mark !== '' && detail !== undefined ? `${mark}${detail}` : ''}`);

/** What stands before a batch's target or reason; '' where it is not shown: only where the test speaks of it. */
function markOf({ kind, expected }: Difference): string {
  if (kind !== 'out') return ':';
  return expected.some(({ detail }) => detail !== undefined) ? '→' : '';
}

function cellsBy<T extends { readonly ms: number }>(
  entries: readonly T[],
  textOf: (entries: readonly T[]) => string,
): ReadonlyMap<number, string> {
  const byTime = new Map<number, T[]>();
  for (const entry of entries) {
    const others = byTime.get(entry.ms);
    if (others === undefined) byTime.set(entry.ms, [entry]);
    else others.push(entry);
  }
  return new Map([...byTime].map(([ms, of]) => [ms, textOf(of)]));
}

/** What to write in order to expect what was received. */
function suggestions(differences: readonly Difference[]): readonly string[] {
  const byKind = new Map<Kind, string[]>();
  for (const difference of differences) {
    const { kind, backend, received } = difference;
    const key = kind === 'out' ? 'target' : 'reason';
    const written = asWritten(received, markOf(difference) === '' ? undefined : key);
    if (written !== undefined) byKind.set(kind, [...(byKind.get(kind) ?? []), `${backend}: ${written}`]);
  }
  // One key a kind: a map takes no key twice.
  const lines = [...byKind].map(([kind, backends]) => visible(`  ${kind}: { ${backends.join(', ')} }`));
  return lines.length === 0 ? [] : ['to expect what was received:', ...lines];
}

const LETTERS = [...'xyzuvwrstopqabcdefghijklmnXYZUVWRSTOPQABCDEFGHIJKLMN'];

/** A diagram and its values; `undefined` where there is none. */
function asWritten(entries: readonly Entry[], key: 'target' | 'reason' | undefined): string | undefined {
  if (entries.length === 0) return '""';
  const letters = new Map<string, string>();
  const marbles: { ms: number; letter: string }[] = [];
  for (const { ms, names, detail } of entries) {
    const messages = JSON.stringify(formatNames(names));
    const value =
      key === undefined ? messages : `{ messages: ${messages}, ${key}: ${JSON.stringify(detail)} }`;
    const letter = letters.get(value) ?? LETTERS[letters.size];
    if (letter === undefined) return undefined;
    letters.set(value, letter);
    marbles.push({ ms, letter });
  }
  const diagram = formatMarbles(marbles);
  if (diagram === undefined) return undefined;
  const values = [...letters].map(([value, letter]) => `${letter}: ${value}`);
  return `["${diagram}", { ${values.join(', ')} }]`;
}
