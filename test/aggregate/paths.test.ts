import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type AggregationOptions, createAggregation } from '../../src/aggregate/aggregation.ts';
import { createScan } from '../../src/ingest/scan.ts';
import type { Message } from '../../src/message.ts';
import { scanned } from '../../src/scanned.ts';
import { showLines } from '../ingest/lines.ts';

const OPTIONS: AggregationOptions = {
  enabled: true,
  windowMs: 10_000,
  graceMs: 5000,
  maxSeries: 20,
  emit: false,
};

/** The sums of all series that they make. */
function seriesOf(lines: readonly string[], isMeasured: boolean) {
  const aggregation = createAggregation(OPTIONS);
  showLines(lines, isMeasured, aggregation.add);
  const series = [...aggregation.series()].map(({ source, name, tags, unit, kind, count, sum, last }) => ({
    ...{ source, name, tags, unit, kind, count, sum, last },
  }));
  return { ...aggregation.stats(), series };
}

const lineOf = (type: string, data: string, source = 's', timeMs = Date.now()) =>
  `{"source":"${source}","timestamp":"${new Date(timeMs).toISOString()}","type":"${type}","data":${data}}`;

/** Both ways must agree; what they agree on. */
function agreed(lines: readonly string[]) {
  const read = seriesOf(lines, true);
  expect(read).toEqual(seriesOf(lines, false));
  return read;
}

test('numbers that the scan reads make the series that parsed records make', () => {
  const { series } = agreed([
    lineOf('metric', '{"name":"n","value":1,"tags":{"a":"b"}}'),
    lineOf('metric', '{"name":"n","value":2.5,"tags":{"a":"b"}}'),
    lineOf('metric', '{"name":"n","value":4,"tags":{"a":"c"}}'),
    lineOf('metric', '{"name":"n","value":1e1,"tags":{"a":"b"}}'),
  ]);
  expect(series.map(({ count, sum, last }) => [count, sum, last])).toEqual([
    [3, 13.5, 10],
    [1, 4, 4],
  ]);
});

test('a member that JavaScript moves to the front is not taken for the value', () => {
  const { series } = agreed([
    lineOf('metric', '{"name":"n","value":7,"2":7}'),
    lineOf('metric', '{"name":"n","value":9,"2":5}'),
  ]);
  expect(series).toMatchObject([{ count: 2, sum: 16 }]);
});

test('of a member that is there twice the last one counts', () => {
  const { series } = agreed([
    lineOf('metric', '{"name":"n","value":"a","x":1,"value":1}'),
    lineOf('metric', '{"name":"n","value":"a","x":5,"value":6}'),
    lineOf('metric', '{"name":"n","value":5,"value":7}'),
  ]);
  expect(series).toMatchObject([{ count: 3, sum: 14 }]);
});

test('a job is no dimension, other tags are, whatever their order', () => {
  const { series } = agreed([
    lineOf('metric', '{"name":"n","value":1,"tags":{"job_id":"j1","b":2,"a":"x"}}'),
    lineOf('metric', '{"name":"n","value":2,"tags":{"a":"x","b":"2","job_id":"j2"}}'),
    lineOf('resource', '{"cpu":1,"memory":2,"memory_mb":3,"disk":4,"network":5,"other":6,"per":"process"}'),
    lineOf('progress', '{"percent":7,"job_id":"j1"}'),
  ]);
  expect(series.map(({ name, unit, tags, count, sum }) => [name, unit, tags, count, sum])).toEqual([
    [
      'n',
      '',
      [
        ['a', 'x'],
        ['b', '2'],
      ],
      2,
      3,
    ],
    ['resource.cpu', '%', [['per', 'process']], 1, 1],
    ['resource.memory', 'MB', [['per', 'process']], 1, 2],
    ['resource.memory_mb', 'MB', [['per', 'process']], 1, 3],
    ['resource.disk', 'MB', [['per', 'process']], 1, 4],
    ['resource.network', 'MB', [['per', 'process']], 1, 5],
    ['progress.percent', '%', [], 1, 7],
  ]);
});

test('of a record that comes too late each value is', () => {
  const old = lineOf('resource', '{"cpu":1,"pid":2,"memory":3}', 's', Date.now() - 60_000);
  expect(agreed([old, old])).toMatchObject({ late: 4, series: [{ count: 0 }, { count: 0 }] });
});

test('a series that was forgotten begins anew', () => {
  const aggregation = createAggregation(OPTIONS);
  const add = (name: string, value: number) =>
    showLines([lineOf('metric', `{"name":"${name}","value":${value}}`)], true, aggregation.add);
  add('a', 1);
  add('b', 2);
  aggregation.closeDue(Date.now() + 3 * 86_400_000);
  expect(aggregation.stats().series).toBe(0);
  add('b', 3);
  expect([...aggregation.series()]).toMatchObject([{ name: 'b', count: 1, sum: 3 }]);
});

test('the numbers of the record that was scanned last are not taken for those of one before it', () => {
  const messages: Message[] = [];
  const lines = [1, 2].map((value) => lineOf('metric', `{"name":"n","value":${value}}`));
  const aggregation = createAggregation(OPTIONS);
  showLines(lines, true, (message) => messages.push(message));
  // The second of these is known by its shape, if it were its own.
  for (const message of [...messages.toReversed(), ...messages]) aggregation.add(message);
  expect([...aggregation.series()]).toMatchObject([{ count: 4, sum: 6 }]);
});

test('records whose hashes are half the same are told apart', () => {
  const scan = createScan(() => true);
  const known = new Map<number, string>();
  const pair = (): readonly string[] => {
    for (let n = 0; ; n++) {
      const line = lineOf('metric', `{"name":"n${n}","value":${n}}`);
      const bytes = Buffer.from(`${line}\n`);
      scan.load(bytes, 0);
      scan.read(0, bytes.length);
      const other = known.get(scanned.hash);
      if (other !== undefined) return [other, line];
      known.set(scanned.hash, line);
    }
  };
  expect(agreed(pair()).series).toHaveLength(2);
});

const keys = fc.constantFrom(
  ...['name', 'value', 'unit', 'kind', 'tags', 'per', 'percent', 'cpu', 'memory', '2', '10', 'x', 'größe'],
);
const values = fc.oneof(
  fc.constantFrom(
    ...['"a"', '"b"', '"\\u0041"', '"ä🎉"', '"gauge"', '"aggregate"', 'null', 'true', '[1,"a"]', '{}'],
    ...['1', '-0', '1e2', '-1.5E-3', '12345678901234567890', '0.1234567890123456', '9007199254740993'],
    ...['{"a":1}', '{"a":"1"}', '{"b":true,"job_id":"j"}', '{"a":{"b":1}}', '{"c":null,"a":"\\"x"}', '""'],
  ),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => JSON.stringify(value)),
  fc.integer().map(String),
);
const named = fc.constantFrom('"name":"n"', '"name":"m"', '"cpu":1', '"percent":50');

test('whatever the members of a record are, and in whatever order they come', () => {
  const record = fc.record({
    type: fc.constantFrom('metric', 'metric', 'resource', 'progress', 'event'),
    source: fc.constantFrom('s', 't'),
    first: named,
    members: fc.array(fc.tuple(keys, values), { maxLength: 6 }),
    space: fc.constantFrom('', ' '),
  });
  const lines = fc.array(record, { minLength: 1, maxLength: 12 }).map((records) =>
    records.map(({ type, source, first, members, space }) => {
      const all = [first, ...members.map(([key, value]) => `"${key}"${space}:${space}${value}`)];
      return lineOf(type, `{${space}${all.join(`${space},`)}${space}}`, source);
    }),
  );
  fc.assert(
    // Each twice: the first time their shape is learnt.
    fc.property(lines, (some) => {
      agreed([...some, ...some]);
    }),
    { numRuns: 500 },
  );
});

test('and with other values in records of the same shape', () => {
  const shape = fc.array(
    fc.tuple(
      keys,
      fc.option(
        values.filter((text) => !/^[-\d]/.test(text)),
        { nil: undefined },
      ),
    ),
    { maxLength: 6 },
  );
  const rows = fc.array(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 7, maxLength: 7 }), {
    minLength: 2,
    maxLength: 6,
  });
  fc.assert(
    fc.property(shape, rows, named, (members, all, first) => {
      agreed(
        all.map((own) => {
          const texts = members.map(([key, text], at) => `"${key}":${text ?? own[at]}`);
          return lineOf('metric', `{${[first, ...texts].join()}}`);
        }),
      );
    }),
    { numRuns: 500 },
  );
});
