// What the conformance driver and the benchmark of the SDKs say of their options, before they judge or measure anything.
import { expect, jest, test } from '@jest/globals';
import { ROOT } from '../processes.ts';
import { outputOf } from './programs.ts';

jest.setTimeout(60_000);

const driver = (...options: readonly string[]) =>
  outputOf(process.execPath, ['sdks/conformance/run.js', ...options], ROOT);

test('the driver explains its options', async () => {
  const help = await driver('--help');
  expect(help).toMatch(/^usage: node sdks\/conformance\/run\.js /);
  for (const option of ['language', 'clause', 'under', 'full', 'write']) expect(help).toMatch(`--${option} `);
});

test.each([
  [['--fast'], /--fast/],
  [['perl'], /perl/],
  [['--language', 'perl,cobol'], /--language takes some of perl, .* not "cobol"/],
  [['--clause', 'C1', '--clause', 'C99'], /--clause takes some of C1, .* not "C99"/],
  [['--under', 'gdb'], /--under takes some of tsan, .* not "gdb"/],
  [['--under', 'tsan'], /--under needs --language c: no tool is for perl, python, r, java, typescript/],
  [['--language', 'perl', '--write'], /--write is for all clauses of perl, .*typescript: a part/],
  [
    ['--language', 'c', '--under', 'asan', '--clause', 'C1', '--write'],
    /--write is for all clauses of c: a part/,
  ],
  [['--language', 'c,perl', '--under', 'asan'], /--under needs --language c: no tool is for perl/],
])('the driver refuses %j in one line', async (options, reason) => {
  await refused(driver(...options), reason);
});

test.each([
  ['cobol', /--language takes some of perl, .*typescript, not "cobol"/],
  ['c,', /--language takes some of perl, .*typescript, not ""/],
])('the benchmark refuses the language %j in one line', async (language, reason) => {
  await refused(outputOf(process.execPath, ['bench/sdks.js', '--language', language], ROOT), reason);
});

async function refused(output: Promise<string>, reason: RegExp): Promise<void> {
  const error = await output.catch((thrown: Error) => thrown);
  const [, verdict, ...said] = /^(.*)\n([^\n]*)\n$/.exec(String(error)) ?? [];
  expect(verdict).toMatch(/exit code 2$/);
  expect(said).toEqual([expect.stringMatching(reason)]);
}
