import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { styleText } from 'node:util';
import { reasonOf } from '../config/file.ts';
import { formatIssue } from '../config/issue.ts';
import { ConfigError } from '../sidecar/reload.ts';
import { type Look, PLAIN } from '../testing/describe.ts';
import { runTest } from '../testing/run-test.ts';
import { type FileTest, readTests } from '../testing/test-file.ts';
import { visible } from '../visible.ts';
import { EXIT, type Host } from './host.ts';

export interface TestOptions {
  /** Test files, or folders of them. */
  readonly files: readonly string[];
  /** For a terminal that shows colours. */
  readonly colour: boolean;
}

interface Count {
  passed: number;
  failed: number;
  unusable: number;
}

/**
 * `sidecar test [FILES]`: runs test files, prints a line a test and what is wrong. Resolves to the exit code: 0 all
 * passed, 1 a test failed, 2 a file or a test cannot be used.
 */
export async function test({ files, colour }: TestOptions, host: Pick<Host, 'env' | 'out'>): Promise<number> {
  const { out } = host;
  const say = (line: string) => out.write(`${line}\n`);
  const count: Count = { passed: 0, failed: 0, unusable: 0 };
  const look: Look = {
    ...(colour ? COLOURED : PLAIN),
    width: Math.max(MIN_WIDTH, (out.columns ?? PLAIN.width) - INDENT.length * 2),
  };
  const refuse = (lines: readonly string[]) => {
    count.unusable++;
    for (const line of lines) say(visible(line));
  };
  const found = await findTests(files, refuse);
  if (found.length === 0 && count.unusable === 0)
    refuse(['no test files (*.test.yaml) found; name one, or a folder']);
  for (const path of found) {
    try {
      const tests = await readTests(path, host.env);
      say(visible(path));
      for (const one of tests) await runOne(one, look, say, count);
    } catch (error) {
      refuse(error instanceof ConfigError ? error.issues : [`${path}: ${reasonOf(error)}`]);
    }
  }
  const unusable = count.unusable === 0 ? '' : `, ${count.unusable} unusable`;
  say(`${count.passed} passed, ${count.failed} failed${unusable}`);
  if (count.unusable > 0) return EXIT.usage;
  return count.failed > 0 ? EXIT.failed : EXIT.ok;
}

const INDENT = '  ';
const MIN_WIDTH = 40;

// Whether there are colours was decided by who asks for them, and not by what stdout is.
const ALWAYS = { validateStream: false };

const COLOURED: Look = {
  width: PLAIN.width,
  expected: (text) => styleText('green', text, ALWAYS),
  received: (text) => styleText('red', text, ALWAYS),
  faint: (text) => styleText('gray', text, ALWAYS),
};

async function runOne(one: FileTest, look: Look, say: (line: string) => void, count: Count): Promise<void> {
  const verdict = await runTest(one.test, one.place);
  const name = visible(one.test.name);
  if (verdict.kind === 'passed') {
    count.passed++;
    say(`${INDENT}${look.expected('✓')} ${name}`);
    return;
  }
  if (verdict.kind === 'failed') count.failed++;
  else count.unusable++;
  const lines =
    verdict.kind === 'failed'
      ? verdict.describe(look)
      : one.issues(verdict.findings).map(formatIssue).map(visible);
  say(`${INDENT}${look.received('✗')} ${name}`);
  for (const line of lines) say(`${INDENT}${INDENT}${line}`.trimEnd());
}

const ENDING = /\.test\.ya?ml$/;

/** The files named, and the test files in the folders named, sorted within each. */
async function findTests(
  paths: readonly string[],
  refuse: (lines: readonly string[]) => void,
): Promise<readonly string[]> {
  const found = new Set<string>();
  for (const path of paths) {
    try {
      const isFolder = (await stat(path)).isDirectory();
      for (const file of isFolder ? await testsBelow(path) : [path]) found.add(file);
    } catch (error) {
      refuse([`${path}: ${reasonOf(error)}`]);
    }
  }
  return [...found];
}

async function testsBelow(folder: string): Promise<string[]> {
  const files: string[] = [];
  const entries = await readdir(folder, { withFileTypes: true });
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (entry.name.startsWith('.') || entry.name === 'node_modules') continue;
    const path = join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await testsBelow(path)));
    else if (ENDING.test(entry.name)) files.push(path);
  }
  return files;
}
