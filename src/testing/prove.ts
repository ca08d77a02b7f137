import { type Finding, formatIssue } from '../config/issue.ts';
import { formatPath } from '../config/path.ts';
import { validate } from '../config/validate.ts';
import { PLAIN } from './describe.ts';
import type { Recording } from './recording.ts';
import { type Place, playTest, runTest, type Verdict } from './run-test.ts';
import { type CheckedTest, type MarbleTest, testSchema } from './schema.ts';
import type { FileTest } from './test-file.ts';

/** A test that failed, or that cannot be run; its message says why, with a diff aligned by time. */
export class MarbleTestError extends Error {
  override readonly name = 'MarbleTestError';
}

const HERE: Place = { folder: '', env: {} };

/**
 * Proves that a configuration does with messages what the test says: plays it in virtual time and compares.
 * Rejects with `MarbleTestError` if it does not. Files are relative to the working directory.
 */
export async function prove(test: MarbleTest): Promise<Recording> {
  const checked = check(test);
  return conclude(checked.name, await runTest(checked, HERE));
}

/** Plays a test and returns what happened; what the test expects is not looked at. Rejects if it cannot be run. */
export async function record(test: MarbleTest): Promise<Recording> {
  const checked = check(test);
  const played = await playTest(checked, HERE);
  return 'recording' in played ? played.recording : conclude(checked.name, played);
}

/** Runs a test of a file; rejects as `prove` does. */
export async function proveFileTest({ test, place, issues }: FileTest): Promise<Recording> {
  return conclude(test.name, await runTest(test, place), (findings) => issues(findings).map(formatIssue));
}

const described = (findings: readonly Finding[]) =>
  findings.map(({ path, message }) => (path.length === 0 ? message : `${formatPath(path)}: ${message}`));

function check(test: MarbleTest): CheckedTest {
  const result = validate(testSchema, test, [], { quote: (value) => JSON.stringify(value) });
  if ('output' in result) return result.output;
  throw new MarbleTestError(['this test cannot be run', ...described(result.findings)].join('\n'));
}

function conclude(name: string, verdict: Verdict, format = described): Recording {
  if (verdict.kind === 'passed') return verdict.recording;
  const lines = verdict.kind === 'failed' ? verdict.describe(PLAIN) : format(verdict.findings);
  throw new MarbleTestError([name, ...lines].join('\n'));
}
