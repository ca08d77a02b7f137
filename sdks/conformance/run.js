#!/usr/bin/env node
// Runs the clauses of the SDK contract against the SDKs; see README.md.
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { createJiti } from 'jiti';

const jiti = createJiti(import.meta.url);
const { run } = await jiti.import('./main.ts');
const { LANGUAGES, TOOLS } = await jiti.import('./languages.ts');
const { report } = await jiti.import('./report.ts');
const { values } = parseArgs({
  options: {
    language: { type: 'string', multiple: true, default: [] },
    clause: { type: 'string', multiple: true, default: [] },
    under: { type: 'string', multiple: true, default: [] },
    full: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
const split = (texts) => texts.flatMap((text) => text.split(','));
const languages = LANGUAGES.filter(
  (one) => values.language.length === 0 || split(values.language).includes(one),
);
const under = split(values.under);
const unknown = under.find((tool) => !TOOLS.includes(tool));
if (unknown !== undefined) throw new Error(`--under ${unknown}: one of ${TOOLS.join(', ')}`);
const clauses = split(values.clause);
const results = await run({
  languages,
  clauses,
  isFull: values.full,
  under,
  width: values.full ? 1 : 2,
  onVerdict: (clause, column, { outcome, note }) =>
    process.stderr.write(`${clause} ${column}: ${outcome}  ${note}\n`),
});
const text = report(results, { languages, under, clauses, isFull: values.full });
const file = under.length === 0 ? 'REPORT.md' : 'TOOLS.md';
if (values.write) writeFileSync(fileURLToPath(new URL(file, import.meta.url)), text);
else process.stdout.write(text);
const verdicts = Object.values(results).flatMap((row) => Object.values(row));
process.exitCode = verdicts.some(({ outcome }) => outcome === 'fail') ? 1 : 0;
