/** The report: a table of clauses and languages, and below it why and how fast. */
import { CLAUSES } from './clauses.ts';
import { LANGUAGES, type Language, NAMES, type Tool } from './languages.ts';
import { columnOf, type Results } from './main.ts';
import type { Verdict } from './suite.ts';

const SIGN: Readonly<Record<Verdict['outcome'], string>> = { pass: '✓', fail: '✗', exempt: 'n/a' };

/** What a report is of. */
export interface Reported {
  readonly languages: readonly Language[];
  readonly under: readonly Tool[];
  /** Ids; none: all. */
  readonly clauses: readonly string[];
  readonly isFull: boolean;
}

/** Markdown. */
export function report(results: Results, { languages, under, clauses, isFull }: Reported): string {
  const columns = languages.flatMap((language) =>
    (under.length === 0 ? [undefined] : under).map((tool) => ({
      column: columnOf(language, tool),
      name: tool === undefined ? NAMES[language] : `${NAMES[language]} under ${tool}`,
    })),
  );
  const judged = CLAUSES.filter(({ id }) => results[id] !== undefined);
  const cells = judged.flatMap(({ id }) =>
    columns.map(({ column, name }) => ({ id, name, verdict: results[id]?.[column] })),
  );
  const rows = judged.map(({ id, title }) => {
    const signs = columns.map(({ column }) => {
      const verdict = results[id]?.[column];
      return verdict === undefined ? '' : SIGN[verdict.outcome];
    });
    return `| ${[id, title, ...signs].join(' | ')} |`;
  });
  const listed = (outcome: Verdict['outcome']) =>
    cells.flatMap(({ id, name, verdict }) =>
      verdict?.outcome === outcome && verdict.note !== ''
        ? [`- ${id} ${name}: ${verdict.note.replaceAll('\n', ' ')}`]
        : [],
    );
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ['', `## ${title}`, '', ...lines];
  const count = (outcome: Verdict['outcome']) =>
    cells.filter(({ verdict }) => verdict?.outcome === outcome).length;
  const command = [
    'node sdks/conformance/run.js',
    ...(languages.length < LANGUAGES.length ? [`--language ${languages.join(',')}`] : []),
    ...(under.length > 0 ? [`--under ${under.join(',')}`] : []),
    ...(clauses.length > 0 ? [`--clause ${clauses.join(',')}`] : []),
    ...(isFull ? ['--full'] : []),
    '--write',
  ].join(' ');
  return [
    '# Conformance of the SDKs',
    '',
    `Written by \`${command}\`. ${count('pass')} pass, ${count('fail')} fail, ${count('exempt')} do not apply.`,
    '',
    `| | ${['clause', ...columns.map(({ name }) => name)].join(' | ')} |`,
    `| --- | --- |${' --- |'.repeat(columns.length)}`,
    ...rows,
    ...section('Broken', listed('fail')),
    ...section('Does not apply', listed('exempt')),
    ...section('Figures', listed('pass')),
    '',
  ].join('\n');
}
