/** The report: a table of clauses and languages, and below it why and how fast. */
import { CLAUSES } from './clauses.ts';
import { type Language, NAMES } from './languages.ts';
import type { Results } from './main.ts';
import type { Verdict } from './suite.ts';

const SIGN: Readonly<Record<Verdict['outcome'], string>> = { pass: '✓', fail: '✗', exempt: 'n/a' };

/** Markdown. */
export function report(results: Results, languages: readonly Language[], isFull: boolean): string {
  const judged = CLAUSES.filter(({ id }) => results[id] !== undefined);
  const cells = judged.flatMap(({ id }) =>
    languages.map((language) => ({ id, language, verdict: results[id]?.[language] })),
  );
  const rows = judged.map(({ id, title }) => {
    const signs = languages.map((language) => {
      const verdict = results[id]?.[language];
      return verdict === undefined ? '' : SIGN[verdict.outcome];
    });
    return `| ${[id, title, ...signs].join(' | ')} |`;
  });
  const listed = (outcome: Verdict['outcome']) =>
    cells.flatMap(({ id, language, verdict }) =>
      verdict?.outcome === outcome && verdict.note !== ''
        ? [`- ${id} ${NAMES[language]}: ${verdict.note.replaceAll('\n', ' ')}`]
        : [],
    );
  const section = (title: string, lines: readonly string[]) =>
    lines.length === 0 ? [] : ['', `## ${title}`, '', ...lines];
  const count = (outcome: Verdict['outcome']) =>
    cells.filter(({ verdict }) => verdict?.outcome === outcome).length;
  return [
    '# Conformance of the SDKs',
    '',
    `Written by \`node sdks/conformance/run.js${isFull ? ' --full' : ''} --write\`. ${count('pass')} pass, ${count('fail')} fail, ${count('exempt')} do not apply.`,
    '',
    `| | ${['clause', ...languages.map((language) => NAMES[language])].join(' | ')} |`,
    `| --- | --- |${' --- |'.repeat(languages.length)}`,
    ...rows,
    ...section('Broken', listed('fail')),
    ...section('Does not apply', listed('exempt')),
    ...section('Figures', listed('pass')),
    '',
  ].join('\n');
}
