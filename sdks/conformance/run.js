#!/usr/bin/env node
// Runs the clauses of the SDK contract against the SDKs; see README.md.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createJiti } from 'jiti';
import { readOptions } from '../../bench/rig/options.js';

const jiti = createJiti(import.meta.url);
const { CLAUSES } = await jiti.import('./clauses.ts');
const { run } = await jiti.import('./main.ts');
const { hasTools, LANGUAGES, TOOLS } = await jiti.import('./languages.ts');
const { report } = await jiti.import('./report.ts');
const ids = CLAUSES.map(({ id }) => id);
const chosen = (language) => LANGUAGES.filter((one) => language.length === 0 || language.includes(one));
const {
  language,
  clause: clauses,
  under,
  full: isFull,
  write,
} = readOptions({
  folder: 'sdks/conformance',
  usage: 'run.js',
  about: 'Holds the SDKs to the clauses of their contract; exits with 1 if one is broken.',
  defaults: { language: [], clause: [], under: [], full: false, write: false },
  lines: {
    language: `some of ${LANGUAGES.join(', ')}; else all`,
    clause: `some of ${ids[0]} to ${ids.at(-1)}; else all`,
    under: `the adapter in some of ${TOOLS.join(', ')}, instead of by itself; with --language ${LANGUAGES.filter(hasTools).join(',')}`,
    full: 'at full length, one clause at a time, times as the contract has them',
    write: 'writes REPORT.md, or TOOLS.md, instead of stdout',
  },
  choices: { language: LANGUAGES, clause: ids, under: TOOLS },
  refusal: ({ language, clause, under, write }) => {
    const whole = LANGUAGES.filter((one) => under.length === 0 || hasTools(one));
    if (write && (clause.length > 0 || whole.some((one) => !chosen(language).includes(one)))) {
      return `--write is for all clauses of ${whole.join(', ')}: a part of them would replace the report of all`;
    }
    const others = under.length === 0 ? [] : chosen(language).filter((one) => !hasTools(one));
    if (others.length === 0) return undefined;
    return `--under needs --language ${LANGUAGES.filter(hasTools).join(',')}: no tool is for ${others.join(', ')}`;
  },
});
const languages = chosen(language);
const results = await run({
  languages,
  clauses,
  isFull,
  under,
  width: isFull ? 1 : 2,
  onVerdict: (clause, column, { outcome, note }) =>
    process.stderr.write(`${clause} ${column}: ${outcome}  ${note}\n`),
});
const text = report(results, { languages, under, clauses, isFull });
const file = under.length === 0 ? 'REPORT.md' : 'TOOLS.md';
if (write) writeFileSync(fileURLToPath(new URL(file, import.meta.url)), text);
else process.stdout.write(text);
const verdicts = Object.values(results).flatMap((row) => Object.values(row));
process.exitCode = verdicts.some(({ outcome }) => outcome === 'fail') ? 1 : 0;
