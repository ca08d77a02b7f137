/** The run: every clause for every language asked for, several at a time; and the report. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLAUSES } from './clauses.ts';
import { type Language, prepare, type Tool } from './languages.ts';
import { judge, type Subject, type Verdict } from './suite.ts';

/** Verdicts by clause and language; under a tool, `c under tsan` is as a language of its own. */
export type Results = Readonly<Record<string, Readonly<Record<string, Verdict>>>>;

/** A column of the report. */
export const columnOf = (language: Language, tool?: Tool): string =>
  tool === undefined ? language : `${language} under ${tool}`;

export interface Run {
  readonly languages: readonly Language[];
  /** Ids of clauses; none: all. */
  readonly clauses?: readonly string[];
  readonly isFull?: boolean;
  /** Tools to run each language under, instead of by itself. */
  readonly under?: readonly Tool[];
  /** How many clauses run at a time. Default 2; 1 where times are to be measured. */
  readonly width?: number;
  /** Told of each verdict. */
  readonly onVerdict?: (clause: string, column: string, verdict: Verdict) => void;
}

/** Builds the adapters, and judges. */
export async function run({
  languages,
  clauses = [],
  isFull = false,
  under = [],
  width = 2,
  onVerdict = () => {},
}: Run): Promise<Results> {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
  const results: Record<string, Record<string, Verdict>> = {};
  try {
    const tools = under.length === 0 ? [undefined] : under;
    const subjects: (Subject & { readonly column: string })[] = [];
    for (const language of languages) {
      for (const tool of tools) {
        const command = await prepare(language, folder, tool);
        subjects.push({ language, tool, command, column: columnOf(language, tool) });
      }
    }
    const chosen = CLAUSES.filter(({ id }) => clauses.length === 0 || clauses.includes(id));
    const cells = chosen.flatMap((clause) => subjects.map((subject) => ({ clause, subject })));
    const worker = async () => {
      for (let cell = cells.shift(); cell !== undefined; cell = cells.shift()) {
        const { clause, subject } = cell;
        const verdict = await judge(clause, subject, isFull);
        results[clause.id] = { ...results[clause.id], [subject.column]: verdict };
        onVerdict(clause.id, subject.column, verdict);
      }
    };
    await Promise.all(Array.from({ length: width }, worker));
    return results;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
