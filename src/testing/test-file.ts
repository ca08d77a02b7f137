import { dirname } from 'node:path';
import { MAX_FILE_BYTES, parseSource } from '../config/document.ts';
import { isRecord } from '../config/draft.ts';
import { readText, readTextSync, reasonOf } from '../config/file.ts';
import type { Surroundings } from '../config/interpolate.ts';
import { type ConfigIssue, type Finding, formatIssue } from '../config/issue.ts';
import { type Locate, locator, report } from '../config/report.ts';
import { plainTree } from '../config/tree.ts';
import { validate } from '../config/validate.ts';
import { ConfigError } from '../sidecar/reload.ts';
import type { Place } from './run-test.ts';
import { type CheckedTest, fileSchema, testSchema } from './schema.ts';

/** A test of a file. */
export interface FileTest {
  readonly test: CheckedTest;
  readonly place: Place;
  /** Gives findings in the test their line and column. */
  issues(findings: readonly Finding[]): readonly ConfigIssue[];
}

/** Reads a test file. Rejects with `ConfigError`, which names everything that is wrong with it. */
export async function readTests(path: string, env: Place['env']): Promise<readonly FileTest[]> {
  let text: string;
  try {
    text = await readText(path, MAX_FILE_BYTES);
  } catch (error) {
    throw new ConfigError([`${path}: cannot read the file: ${reasonOf(error)}`]);
  }
  const result = parseTests(text, path, {
    env,
    readFile: (file) => readTextSync(file, MAX_FILE_BYTES),
  });
  if ('errors' in result) throw new ConfigError(result.errors.map(formatIssue));
  return result.tests;
}

type ParsedTests = { readonly tests: readonly FileTest[] } | { readonly errors: readonly ConfigIssue[] };

/** Reads the text of a test file: one test, or several under `tests`. Never throws, finds all errors at once. */
export function parseTests(text: string, path: string, surroundings: Surroundings): ParsedTests {
  const source = parseSource(text);
  const tree = plainTree(source.root, surroundings);
  const locate = locator(path, source.placeOf, tree.places, []);
  const broken = [...source.findings, ...tree.findings];
  if (broken.length > 0) return { errors: report(broken, locate) };
  if (!isRecord(tree.value)) {
    return {
      errors: [locate({ path: [], message: 'a test file is a map, with "in" and "out" or with "tests"' })],
    };
  }
  const parts = 'tests' in tree.value ? readSeveral(tree.value) : [checkTest(tree.value, [], 'test')];
  const findings = parts.flatMap((part) => ('findings' in part ? part.findings : []));
  if (findings.length > 0) return { errors: report(findings, locate) };
  const place: Place = { folder: dirname(path), env: surroundings.env };
  return { tests: parts.flatMap((part) => ('test' in part ? fileTest(part, place, locate) : [])) };
}

interface Checked {
  readonly test: CheckedTest;
  /** Where it stands in the file. */
  readonly path: Finding['path'];
}
type Part = Checked | { readonly findings: readonly Finding[] };

const quote = (value: unknown) => JSON.stringify(value) ?? '';

function readSeveral(raw: Record<string, unknown>): readonly Part[] {
  const file = validate(fileSchema, raw, [], { quote });
  if ('findings' in file) return [file];
  const { tests, config, ...shared } = file.output;
  return tests.map((test, index) => {
    const merged = Object.entries(shared).map(([key, value]) => [
      key,
      isRecord(test[key]) || test[key] === undefined ? { ...value, ...(test[key] as object) } : test[key],
    ]);
    const whole = { ...(config !== undefined && { config }), ...test, ...Object.fromEntries(merged) };
    return checkTest(whole, ['tests', index], `test ${index + 1}`);
  });
}

function checkTest(raw: Record<string, unknown>, path: Finding['path'], name: string): Part {
  const result = validate(testSchema, { name, ...raw }, path, { quote });
  return 'output' in result ? { test: result.output, path } : result;
}

const fileTest = ({ test, path }: Checked, place: Place, locate: Locate): FileTest => ({
  test,
  place,
  issues: (findings) =>
    report(
      findings.map((finding) => ({ ...finding, path: [...path, ...finding.path] })),
      locate,
    ),
});
