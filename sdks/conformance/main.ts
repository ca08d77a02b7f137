/** The run: every clause for every language asked for, several at a time; and the report. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLAUSES } from './clauses.ts';
import { type Language, prepare } from './languages.ts';
import { judge, type Verdict } from './suite.ts';

/** Verdicts by clause and language. */
export type Results = Readonly<Record<string, Partial<Record<Language, Verdict>>>>;

export interface Run {
  readonly languages: readonly Language[];
  /** Ids of clauses; none: all. */
  readonly clauses?: readonly string[];
  readonly isFull?: boolean;
  /** How many clauses run at a time. Default 2; 1 where times are to be measured. */
  readonly width?: number;
  /** Told of each verdict. */
  readonly onVerdict?: (clause: string, language: Language, verdict: Verdict) => void;
}

/** Builds the adapters, and judges. */
export async function run({
  languages,
  clauses = [],
  isFull = false,
  width = 2,
  onVerdict = () => {},
}: Run): Promise<Results> {
  const folder = mkdtempSync(join(tmpdir(), 'conformance-'));
  const results: Record<string, Partial<Record<Language, Verdict>>> = {};
  try {
    const commands = new Map<Language, Awaited<ReturnType<typeof prepare>>>();
    for (const language of languages) commands.set(language, await prepare(language, folder));
    const chosen = CLAUSES.filter(({ id }) => clauses.length === 0 || clauses.includes(id));
    const cells = chosen.flatMap((clause) => languages.map((language) => ({ clause, language })));
    const worker = async () => {
      for (let cell = cells.shift(); cell !== undefined; cell = cells.shift()) {
        const { clause, language } = cell;
        const command = commands.get(language);
        if (command === undefined) continue;
        const verdict = await judge(clause, language, command, isFull);
        results[clause.id] = { ...results[clause.id], [language]: verdict };
        onVerdict(clause.id, language, verdict);
      }
    };
    await Promise.all(Array.from({ length: width }, worker));
    return results;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
