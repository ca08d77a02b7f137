// Every clause of the SDK contract, for every language, at the length that a build has time for.
import { expect, jest, test } from '@jest/globals';
import { CLAUSES } from '../../sdks/conformance/clauses.ts';
import { expected } from '../../sdks/conformance/golden.ts';
import { KNOWN } from '../../sdks/conformance/known.ts';
import { LANGUAGES, NAMES, PROGRAM } from '../../sdks/conformance/languages.ts';
import { run } from '../../sdks/conformance/main.ts';
import { faultsOf } from '../../sdks/conformance/schema.ts';

const absent = (process.env.SIDECAR_TEST_WITHOUT ?? '').split(',');

jest.setTimeout(600_000);

for (const language of LANGUAGES) {
  const isMissing = absent.includes(PROGRAM[language]);
  if (isMissing && process.env.CI === 'true') throw new Error(`${PROGRAM[language]} has to be there`);
  (isMissing ? test.skip : test)(`the ${NAMES[language]} SDK keeps the contract`, async () => {
    const results = await run({ languages: [language], width: 3 });
    expect(Object.keys(results).sort()).toEqual(CLAUSES.map(({ id }) => id).sort());
    const broken = Object.entries(results).flatMap(([id, row]) => {
      const { outcome, note } = row[language] ?? { outcome: 'fail', note: 'was not judged' };
      return outcome === 'fail' && KNOWN[language]?.[id] === undefined ? [`${id}: ${note}`] : [];
    });
    expect(broken).toEqual([]);
  });
}

const good = () => ({
  source: 'queue-service',
  timestamp: '2025-10-20T10:30:45.123Z',
  ts_us: 1760956245123456,
  type: 'event',
  data: { level: 'info', message: 'hello', context: { n: 1 } },
});

test('the schema takes what the SDKs send, and control messages', () => {
  const id = '4bf92f3577b34da6a3ce929d0e0e4736';
  const hello = { v: 1, sdk: 'perl/0.1.0', pid: 7, session: id, ack: 'disk', token: 'secret' };
  const records = [
    good(),
    { ...good(), trace_id: id, span_id: '00f067aa0ba902b7', job_id: 'job-1', seq: 7 },
    { ...good(), type: 'hello', data: hello },
    { ...good(), type: 'bye', data: {} },
    { ...good(), type: 'sdk', data: { dropped: { full: 3 } } },
  ];
  expect(records.map(faultsOf)).toEqual(records.map(() => ''));
  const texts = expected().map((line) =>
    line.replace('"timestamp":0', '"timestamp":"2025-10-20T10:30:45.123Z"'),
  );
  const golden = texts.filter((line) => !line.includes('_id":')).map((line) => JSON.parse(line));
  expect(golden.length).toBeGreaterThan(20);
  expect(golden.map(faultsOf)).toEqual(golden.map(() => ''));
});

test.each([
  ['no source', { source: undefined }],
  ['an empty source', { source: '' }],
  ['a timestamp without milliseconds', { timestamp: '2025-10-20T10:30:45Z' }],
  ['a type nobody knows', { type: 'note' }],
  ['an unknown member', { level: 'info' }],
  ['a trace of zeros', { trace_id: '0'.repeat(32) }],
  ['a trace in upper case', { trace_id: '4BF92F3577B34DA6A3CE929D0E0E4736' }],
  ['an event without a level', { data: { message: 'hello' } }],
  ['a metric whose value is text', { type: 'metric', data: { name: 'rows', value: '7', unit: null } }],
  ['a progress without a job', { type: 'progress', data: { percent: 1, status: 'running' } }],
  ['a span without ids', { type: 'span', data: { phase: 'start', name: 'load' } }],
  ['a context that is empty', { data: { level: 'info', message: '', context: {} } }],
  ['a hello with a number', { type: 'hello', seq: 1, data: { v: 1, sdk: 'c/0.1.0', pid: 7 } }],
  [
    'an acknowledgement without a session',
    { type: 'hello', data: { v: 1, sdk: 'c/0.1.0', pid: 7, ack: 'disk' } },
  ],
])('the schema refuses %s', (_, change) => {
  expect(faultsOf(JSON.parse(JSON.stringify({ ...good(), ...change })))).not.toBe('');
});
