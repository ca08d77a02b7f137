import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { lastValueFrom } from 'rxjs';
import { createBatch } from '../../src/batch.ts';
import type { Sink } from '../../src/deliver/sink.ts';
import type { Message } from '../../src/message.ts';
import { jsonbText } from '../../src/sinks/postgres/json.ts';
import { openPostgres, type Server, startServer } from './postgres-server.ts';
import { close, message, sinkContext } from './support.ts';

let server: Server;
let sink: Sink;
beforeAll(async () => {
  server = await startServer();
}, 60_000);
afterAll(() => server.remove());

const open = () => {
  sink = openPostgres({ connection_string: server.url() });
};

const store = (messages: readonly Message[]) =>
  lastValueFrom(sink.send(createBatch(messages, 1, 'count'), { key: 'monitoring_events' }), {
    defaultValue: undefined,
  });

/** A message whose record has this text, without its last brace. */
const sent = (data: string, more = '', fields: Partial<Message> = {}) =>
  message({
    type: 'metric',
    ...fields,
    head: `{"source":"web","type":"metric"${more},"data":${data}`,
    parsed: undefined,
  });

const stored = async ({ id }: Message) =>
  (
    await server.query(
      'SELECT data::text AS data, extra::text AS extra, name, value, job_id, session, host, seq FROM monitoring_events WHERE id = $1',
      [id],
    )
  )[0];

const QUOTED_LONG = `"${'9'.repeat(1001)}"`;

describe('hostile values', () => {
  test.each([
    ['a string with NUL', '{"a": "x\\u0000y"}', '{"a": "x\ufffdy"}'],
    ['a key with NUL', '{"\\u0000": 1}', '{"\ufffd": 1}'],
    ['half of a surrogate pair', '{"a": "\\ud800", "b": "\\uDC00x"}', '{"a": "\ufffd", "b": "\ufffdx"}'],
    ['halves in the wrong order', '{"a": "\\udc00\\ud800"}', '{"a": "\ufffd\ufffd"}'],
    ['a whole pair', '{"a": "\\ud83d\\ude00"}', '{"a": "😀"}'],
    ['an escaped backslash before u0000', '{"a": "\\\\u0000"}', '{"a": "\\\\u0000"}'],
    ['two of them, and then an escape', '{"a": "\\\\\\\\\\u0000"}', '{"a": "\\\\\\\\\ufffd"}'],
    ['a number beyond a double', '{"a": 1e400}', `{"a": 1${'0'.repeat(400)}}`],
    ['a number smaller than a double', '{"a": 1E-400}', `{"a": 0.${'0'.repeat(399)}1}`],
    [
      'all digits of a number',
      '{"a": 123456789012345678901234567890.10}',
      '{"a": 123456789012345678901234567890.10}',
    ],
    ['a number beyond jsonb', '{"a": 1e200000, "b": -1.5E+99999}', '{"a": "1e200000", "b": "-1.5E+99999"}'],
    ['one of more than 1,000 digits', `{"a": ${'9'.repeat(1001)}}`, `{"a": ${QUOTED_LONG}}`],
    ['one of 1,000 digits', `{"a": ${'9'.repeat(1000)}}`, `{"a": ${'9'.repeat(1000)}}`],
    [
      'a string like a huge number',
      '{"a": "1e99999", "b\\"1e99999": [1e99999]}',
      '{"a": "1e99999", "b\\"1e99999": ["1e99999"]}',
    ],
    ['quotes and commas', `{"a": "\\"'{},$1;--\\\\"}`, `{"a": "\\"'{},$1;--\\\\"}`],
    [
      '__proto__',
      '{"__proto__": {"x": 1}, "constructor": null}',
      '{"__proto__": {"x": 1}, "constructor": null}',
    ],
    [
      'deep nesting',
      `{"a": ${'['.repeat(500)}${']'.repeat(500)}}`,
      `{"a": ${'['.repeat(500)}${']'.repeat(500)}}`,
    ],
    ['no data at all', 'null', '{}'],
  ])('%s', async (_, data, expected) => {
    open();
    const one = sent(data);
    await store([one]);
    expect((await stored(one)).data).toBe(expected);
  });

  test('members without a column are kept in `extra`, whatever they are called', async () => {
    open();
    const one = sent('{}', ',"__proto__":{"a":1},"x\\u0000":"\\ud800","session":{"n":1},"seq":"7","host":3');
    await store([one]);
    const row = await stored(one);
    expect(JSON.parse(row.extra)).toEqual(
      JSON.parse('{"__proto__":{"a":1},"x\ufffd":"\ufffd","session":{"n":1},"seq":"7","host":3}'),
    );
    expect(row).toMatchObject({ session: null, seq: null, host: null });
  });

  test('NUL in columns', async () => {
    open();
    const one = sent('{"name":"n\\u0000"}', ',"session":"s\\u0000"', { jobId: 'j\0', traceId: 't\0' });
    await store([one]);
    expect(await stored(one)).toMatchObject({ name: 'n\ufffd', session: 's\ufffd', job_id: 'j\ufffd' });
  });

  test('a name that no index takes is cut, never inside a character', async () => {
    open();
    const one = sent(JSON.stringify({ name: `${'n'.repeat(255)}😀${'n'.repeat(10_000)}` }));
    await store([one]);
    expect((await stored(one)).name).toBe('n'.repeat(255));
  });

  test.each([
    ['1.5', 1.5],
    ['-0.0', -0],
    ['1e400', null],
    ['"1"', null],
    ['[1]', null],
    ['null', null],
  ])('a metric’s value %s is %s in its column', async (value, expected) => {
    open();
    const one = sent(`{"nested":{"value":7},"value":${value},"v\\u0061lue2":1}`);
    await store([one]);
    expect((await stored(one)).value).toEqual(expected);
  });

  test('rows that are copied are those that would be inserted', async () => {
    const own = openPostgres({ connection_string: server.url() });
    const data = ['{"a":"\\u0000\\ud800\\t\\\\N"}', '{"name":"ö\\n","value":-1.5e-7}', '{}'];
    const messages = Array.from({ length: 1500 }, (_, n) =>
      sent(data[n % 3]!, `,"session":"s${n}","x":[1e400]`, {
        timeMs: (n - 750) * 1e10,
        traceId: n % 2 ? 'ü\0' : '',
        jobId: n % 5 ? '' : 'job\\.',
        seq: n * 2 ** 40,
        severity: n % 7,
      }),
    );
    const store = (table: string, from: number, to: number) =>
      lastValueFrom(own.send(createBatch(messages.slice(from, to), 1, 'count'), { key: table }), {
        defaultValue: undefined,
      });
    await store('copied', 0, 1500);
    await Promise.all([store('inserted', 0, 750), store('inserted', 750, 1500)]);
    expect(
      await server.query(
        '(TABLE copied EXCEPT TABLE inserted) UNION ALL (TABLE inserted EXCEPT TABLE copied)',
      ),
    ).toEqual([]);
    expect(await server.query('SELECT count(*)::int AS n FROM copied')).toEqual([{ n: 1500 }]);
  });

  test('an id that is no UUID is refused for its message alone', async () => {
    open();
    await expect(store([sent('{}', '', { id: 'x' })])).rejects.toMatchObject({
      name: 'Permanent',
      scope: 'message',
    });
  });

  test('anything that JSON may say is taken, and comes back the same but for what cannot be stored', async () => {
    // Outside of the test's steps: the sink closes with each test.
    const own = openPostgres({ connection_string: server.url(), table: 'anything' }, sinkContext());
    const storable = (value: string) => value.replaceAll('\0', '\ufffd');
    const mapped = (value: unknown): unknown => {
      if (typeof value === 'string') return storable(value);
      if (Array.isArray(value)) return value.map(mapped);
      if (value === null || typeof value !== 'object') return Object.is(value, -0) ? 0 : value;
      return Object.fromEntries(Object.entries(value).map(([key, inner]) => [storable(key), mapped(inner)]));
    };
    const anyText = fc.string({ unit: 'binary' });
    const anyData = fc.dictionary(anyText, fc.jsonValue({ stringUnit: 'binary' }));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(anyData, anyText), { minLength: 1, maxLength: 50 }), async (all) => {
        const messages = all.map(([data, jobId]) => sent(JSON.stringify(data), '', { jobId }));
        await lastValueFrom(own.send(createBatch(messages, 1, 'count'), { key: 'anything' }), {
          defaultValue: undefined,
        });
        const rows = await server.query('SELECT data, job_id FROM anything WHERE id = ANY($1) ORDER BY id', [
          messages.map(({ id }) => id),
        ]);
        expect(rows.map(({ data }) => data)).toEqual(all.map(([data]) => mapped(data)));
        expect(rows.map(({ job_id }) => job_id ?? '')).toEqual(all.map(([, jobId]) => storable(jobId)));
      }),
      { numRuns: 40 },
    );
    await close(own);
  });
});

test('text that a megabyte of almost too many digits would slow down is read in one pass', () => {
  const text = `{"a":[${Array.from({ length: 1000 }, () => '1'.repeat(999)).join(',')}]}`;
  expect(jsonbText(text)).toBe(text);
});
