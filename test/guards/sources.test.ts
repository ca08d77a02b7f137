import { expect, test } from '@jest/globals';
import { codeOf, type Source, sourcesBelow } from './sources.ts';

const sources = sourcesBelow('src');
const own = [...sources, ...sourcesBelow('pipelines')];

/** `path:line` of every place in `files` that matches. */
const placesOf = (files: readonly Source[], pattern: RegExp) =>
  files.flatMap(({ path, text }) =>
    codeOf(text)
      .split('\n')
      .flatMap((line, at) => (pattern.test(line) ? [`${path}:${at + 1}: ${line.trim()}`] : [])),
  );

test('no file has more than 300 lines', () => {
  const long = own.filter(({ text }) => text.split('\n').length - 1 > 300);
  expect(long.map(({ path }) => path)).toEqual([]);
});

/** `setImmediate` is no time, but a turn of the event loop; each file that needs one says why. */
test('only main touches the clock, timers, chance and the process', () => {
  const impure =
    /\bDate\.now\b|\bsetTimeout\b|\bsetInterval\b|\bMath\.random\b|\bnew Date\(\)|(?<![\w.])process\./;
  const allowed: Readonly<Record<string, string>> = {
    'src/main.ts': 'gives the process to all others',
    'src/metrics/runtime.ts': 'shows what the process itself uses, which nothing else knows',
  };
  // The page runs in a browser, which has no other clock.
  const files = sources.filter(({ path }) => !(path in allowed) && !path.startsWith('src/ui/'));
  expect(placesOf(files, impure)).toEqual([]);
});

test('types are not switched off', () => {
  expect(placesOf(own, /(:|<|\bas|\||=>)\s*any\b|\bany\[\]/)).toEqual([]);
  const silenced = own.filter(({ text }) => /@ts-(ignore|nocheck|expect-error)|eslint-disable/.test(text));
  expect(silenced.map(({ path }) => path)).toEqual([]);
});

test('every export has a line that gives its contract', () => {
  const missing = sources.flatMap(({ path, text }) => {
    const lines = text.split('\n');
    return lines.flatMap((line, at) => {
      const isExport = /^export (async function|function|const|type|class) (?!\{)/.test(line);
      // An interface speaks through its members, and its maker through it; a schema's output through the schema.
      if (!isExport || /function (create|open)[A-Z]|const create[A-Z]|= z\.output</.test(line)) return [];
      const isDocumented = lines[at - 1]?.trim().endsWith('*/') === true;
      return isDocumented ? [] : [`${path}:${at + 1}: ${line.slice(0, 80)}`];
    });
  });
  expect(missing).toEqual([]);
});
