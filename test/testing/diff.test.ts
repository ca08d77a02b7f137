import { expect, describe as group, test } from '@jest/globals';
import { describe, type Look, PLAIN } from '../../src/testing/describe.ts';
import { createRecorder } from '../../src/testing/recording.ts';
import { drawTable } from '../../src/testing/table.ts';
import { faultsOf } from './support.ts';

group('a diff shows expected and received under each other by time', () => {
  test('a batch that is not as expected', async () => {
    expect(
      await faultsOf({ in: 'a-b 5s |', out: { one: ['--x', { x: 'ab' }], two: ['100ms x', { x: 'ab' }] } }),
    ).toEqual([
      '               0  2ms   100ms',
      'in             a  b',
      'one  expected     [ab]',
      '     received           [ab]',
      '                  ^^^^  ^^^^',
      'to expect what was received:',
      '  out: { one: ["100ms x", { x: "ab" }] }',
    ]);
  });

  test('a batch that was not expected, and one that did not come', async () => {
    expect(await faultsOf({ in: '(ao) 5s |', out: { two: '100ms a', one: '5s a' } })).toEqual([
      '                   0   100ms  5s',
      'in                 ao',
      'one      expected             [a]',
      '         received      [a]',
      '                       ^^^    ^^^',
      'archive  expected',
      '         received      [o]',
      '                       ^^^',
      'to expect what was received:',
      '  out: { one: ["100ms x", { x: "a" }], archive: ["100ms x", { x: "o" }] }',
    ]);
  });

  test('nothing received where something was expected', async () => {
    expect(await faultsOf({ in: 'd 5s |', out: { one: '100ms d', archive: '100ms d' } })).toEqual([
      '                   0  100ms',
      'in                 d',
      'archive  expected     [d]',
      '         received',
      '                      ^^^',
      'to expect what was received:',
      '  out: { archive: "" }',
    ]);
  });

  test('what is as expected is not marked', async () => {
    expect(await faultsOf({ in: 'd 199ms d 5s |', out: { one: '100ms d' } })).toEqual([
      '               0  100ms  200ms  300ms',
      'in             d         d',
      'one  expected     [d]',
      '     received     [d]           [d]',
      '                                ^^^',
      'to expect what was received:',
      '  out: { one: ["100ms x 199ms x", { x: "d" }] }',
    ]);
  });

  test('two batches of one time, reloads, a target that is another', async () => {
    const faults = await faultsOf({
      in: '(od) 5s |',
      reload: ['--r--s', { r: { 'batch.max_count': 5 }, s: { 'batch.max_count': 0 } }],
      reload_results: { s: 'rejected' },
      out: { one: ['100ms x', { x: { messages: 'd', target: '/logs/web.jsonl' } }], archive: '(oo)' },
    });
    expect(faults).toEqual([
      '                   0        2ms  5ms         100ms',
      'in                 od',
      'reload                      r    s:rejected',
      'one      expected                            [d]→/logs/web.jsonl',
      '         received                            [d]→/logs/db.jsonl',
      '                                             ^^^^^^^^^^^^^^^^^^^',
      'archive  expected  [o] [o]',
      '         received                            [o]',
      '                   ^^^^^^^                   ^^^',
      'to expect what was received:',
      '  out: { one: ["100ms x", { x: { messages: "d", target: "/logs/db.jsonl" } }], archive: ["100ms x", { x: "o" }] }',
    ]);
  });

  test('messages that were given up, with the reason, and what the log says', async () => {
    expect(await faultsOf({ in: 'd 200ms |', backends: { one: '-' }, out: { one: '100ms d' } })).toEqual([
      '                    0  1.201s',
      'in                  d',
      'one shed  expected',
      '          received     [d]:shutdown',
      '                       ^^^^^^^^^^^^',
      'to expect what was received:',
      '  shed: { one: ["1.201s x", { x: { messages: "d", reason: "shutdown" } }] }',
      'log: warn: Closed with messages undelivered backend="one" messages=1 error=""',
    ]);
  });

  test('many messages of a name are counted', async () => {
    const faults = await faultsOf({ in: 'd 1s |', repeat: { d: 30 }, out: { one: ['x', { x: 'd*30' }] } });
    expect(faults.slice(1, 3)).toEqual(['in             d*30', 'one  expected  [d*30]']);
    expect(faults[3]).toBe(`     received  ${'[ddd] '.repeat(10).trimEnd()}`);
  });

  test('what to write is left out where no diagram says it: a group is as long as it is written', async () => {
    const test = { repeat: { d: 6 }, ignore: ['two'] };
    expect((await faultsOf({ ...test, in: 'd--d 1s |' })).at(-1)).toMatch(/^ +\^/);
    expect((await faultsOf({ ...test, in: 'd---d 1s |' })).at(-1)).toBe(
      '  out: { one: ["(xx)(xx)", { x: "ddd" }] }',
    );
  });
});

group('a diff fits the page', () => {
  const many = async () => {
    const marbles = Array.from({ length: 12 }, () => 'd 199ms ').join('');
    return faultsOf({ in: `${marbles} 5s |`, out: { one: `100ms ${'d 199ms '.repeat(11)} 20ms d` } });
  };

  test('blocks of columns; those without a difference are left out', async () => {
    const faults = await many();
    expect(faults[0]).toBe('…');
    expect(faults[1]).toMatch(/^ {15}.*2\.3s/);
    expect(faults.slice(1, 5).every((line) => line.length <= PLAIN.width)).toBe(true);
    expect(faults[4]).toMatch(/received .*\[d\]$/);
  });

  test('a column that is wider than the page stands alone', () => {
    const cells = new Map([
      [0, 'a'.repeat(50)],
      [1, 'b'],
    ]);
    const rows = [{ labels: ['x', ''] as const, cells }];
    expect(drawTable(rows, [0, 1], new Set([0, 1]), 20)).toEqual([`x  ${'a'.repeat(50)}`, 'x  b']);
  });

  test('no rows are no lines, and cells are painted after they have their width', () => {
    expect(drawTable([], [], new Set(), 20)).toEqual([]);
    const rows = [
      {
        labels: ['x', ''] as const,
        cells: new Map([
          [0, 'a'],
          [1, 'b'],
        ]),
        paint: (cell: string) => `<${cell}>`,
      },
      {
        labels: ['', ''] as const,
        cells: new Map([
          [0, 'ccc'],
          [1, 'd'],
        ]),
      },
    ];
    expect(drawTable(rows, [0, 1], new Set([0]), 20)).toEqual(['x  <a>    <b>', '   ccc  d']);
  });
});

group('what is shown', () => {
  const nothing = { remarks: [], differences: [] };

  test('nothing of nothing', () => {
    expect(describe(nothing, createRecorder(), PLAIN)).toEqual([]);
  });

  test('ten lines of the log, and how many more there are', () => {
    const log = Array.from({ length: 14 }, (_, n) => `warn: ${n}`);
    const lines = describe(nothing, { ...createRecorder(), log }, PLAIN);
    expect(lines).toHaveLength(11);
    expect(lines.slice(-2)).toEqual(['log: warn: 9', 'log: and 4 more']);
  });

  test('colours: expected and received where they differ, times and the log faint', () => {
    const look: Look = {
      width: 100,
      expected: (text) => `E(${text})`,
      received: (text) => `R(${text})`,
      faint: (text) => `F(${text})`,
    };
    const entry = (ms: number, name: string) => ({ ms, names: [name], detail: undefined });
    const difference = {
      kind: 'out' as const,
      backend: 'one',
      expected: [entry(0, 'a'), entry(1, 'b')],
      received: [entry(0, 'a'), entry(1, 'c')],
    };
    const lines = describe(
      { remarks: [], differences: [difference] },
      { ...createRecorder(), log: ['warn: x'] },
      look,
    );
    expect(lines).toEqual([
      '               F(0)    F(1ms)',
      'in',
      'one  expected  [a]  E([b])',
      '     received  [a]  R([c])',
      '                    R(^^^)',
      'to expect what was received:',
      '  out: { one: ["xy", { x: "a", y: "c" }] }',
      'F(log: warn: x)',
    ]);
  });

  test('nothing can control the terminal', () => {
    const sent = {
      kind: 'out' as const,
      backend: 'one',
      expected: [],
      received: [{ ms: 0, names: ['\u202e'], detail: '' }],
    };
    const recording = {
      ...createRecorder(),
      log: ['warn: \x1b[2J'],
      received: [{ ms: 0, message: '\u202e' }],
    };
    const lines = describe({ remarks: ['\x07\nnext'], differences: [sent] }, recording, PLAIN);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(lines.join('\n')).not.toMatch(/[\x00-\x09\x0b-\x1f\u202e]/);
    expect(lines.slice(0, 2)).toEqual(['\\x07', 'next']);
  });
});
