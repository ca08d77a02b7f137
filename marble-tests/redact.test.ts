import { describe, expect, test } from '@jest/globals';
import { asyncScheduler, of } from 'rxjs';
import redact from '../pipelines/redact.ts';
import { createMessage, type Json, type JsonObject, jsonOf, type Message, recordOf } from '../src/message.ts';
import {
  batchOf,
  built,
  messageOf,
  operatorContext,
  testsOfEveryOperator,
  tryChain,
  use,
} from '../test/route/support.ts';

const NONE = { patterns: [] };

function redacted(message: Message, options: object): Message {
  let result: Message | undefined;
  of(message)
    .pipe(built(redact, options, operatorContext(asyncScheduler)))
    .subscribe((each) => {
      result = each;
    });
  return result as Message;
}

/** What becomes of `data`. */
const dataFrom = (data: JsonObject, options: object) =>
  recordOf(redacted(messageOf('a', { data }), options)).data;
/** What becomes of a text. */
const textFrom = (text: string, options: object = {}) => (dataFrom({ text }, options) as JsonObject).text;
const R = '[redacted]';

describe('redact', () => {
  testsOfEveryOperator(redact, {});

  test('passes a message without a hit as the identical object', () => {
    const message = messageOf('a', {
      data: { message: 'a "quoted": text', list: [1, { b: null }], big: 12 },
    });
    expect(redacted(message, {})).toBe(message);
    expect(redacted(message, { fields: ['data.nothing', '**.no*'] })).toBe(message);
  });

  test('changes nothing but what is hit', () => {
    const message = messageOf(
      'a',
      { host: 'h', data: { password: 'x', n: [1, 2], o: { a: null, b: true } } },
      { tail: ',"t":1' },
    );
    const changed = redacted(message, {});
    const { parsed, bytes, headBytes, text, start, ...rest } = changed;
    expect(JSON.parse(jsonOf(changed))).toMatchObject({ t: 1 });
    expect(recordOf(changed)).toEqual({
      source: 's',
      type: 'event',
      host: 'h',
      data: { password: R, n: [1, 2], o: { a: null, b: true } },
    });
    expect(message).toMatchObject(rest);
    expect(bytes).toBe(message.bytes - '"x"'.length + JSON.stringify(R).length);
    expect(recordOf(message).data).toMatchObject({ password: 'x' });
  });

  test.each(['$.data.iban', ' data.iban', 'data.iban ', 'data..iban', '.data', 'data.'])(
    'a field that could match nothing is refused: %j',
    (field) => {
      const { error } = redact.options?.safeParse({ fields: [field] }) ?? {};
      expect(error?.issues).toMatchObject([
        { path: ['fields', 0], message: 'is no path such as data.user.name or **.iban' },
      ]);
    },
  );

  describe('numbers', () => {
    const sent = (data: string) =>
      messageOf('a', {}, { head: `{"source":"s","type":"event","data":${data}` });

    test('beside a hit stay as they were sent', () => {
      const numbers = '"n":[9007199254740993,-1e400,1.50e3,0.1234567890123456789],"t":"9007199254740993"';
      const changed = redacted(sent(`{"pwd":"x",${numbers}}`), {});
      expect(jsonOf(changed)).toContain(`"data":{"pwd":"${R}",${numbers}}`);
      expect(recordOf(changed).data).toMatchObject({
        pwd: R,
        n: [2 ** 53, Number.NEGATIVE_INFINITY, 1500, expect.any(Number)],
      });
    });

    test.each([
      '9007199254740993',
      '-9007199254740993',
      '123456789012345678',
      '0.12345678901234567',
      '1e400',
    ])('each of them: %s', (number) => {
      const changed = redacted(sent(`{"pwd":"x","n":${number}}`), {});
      expect(jsonOf(changed)).toContain(`"data":{"pwd":"${R}","n":${number}}`);
    });

    test('without a hit they leave the message alone', () => {
      const message = sent('{"n":9007199254740993}');
      expect(redacted(message, {})).toBe(message);
    });

    test.each([['6212345678901234569'], ['4.111111111111111e15']])(
      'that are cards are replaced: %s',
      (card) => {
        expect(jsonOf(redacted(sent(`{"n":${card},"m":1e400}`), {}))).toContain(`{"n":"${R}","m":1e400}`);
      },
    );

    test.each(['\ue000', '\\ue000', '\\uE000'])(
      'a text that looks like a marked one stays a text: %j',
      (mark) => {
        const changed = redacted(sent(`{"pwd":"x","t":"${mark}12","n":1e3}`), {});
        expect(recordOf(changed).data).toEqual({ pwd: R, t: '\ue00012', n: 1000 });
      },
    );

    test('of texts with many escapes', () => {
      const text = '\\n'.repeat(400_000);
      expect(jsonOf(redacted(sent(`{"t":"${text}","pwd":"x","n":1e400}`), {}))).toContain('"n":1e400}');
    });
  });

  test('works on whatever the record has beside its envelope', () => {
    const message = messageOf('a', { secret: 's3', tags: { token: 't0' }, data: {} });
    expect(recordOf(redacted(message, {}))).toMatchObject({ secret: R, tags: { token: R } });
  });

  test('leaves the envelope alone', () => {
    const envelope = {
      source: 'password=s',
      type: 't',
      timestamp: 'x',
      trace_id: 'a',
      span_id: 'b',
      job_id: 'c',
      seq: 1,
      ts_us: 2,
    };
    const message = messageOf('a', { ...envelope, data: { x: 1 } });
    expect(recordOf(redacted(message, { fields: ['**'], values: ['.'] }))).toEqual({ ...envelope, data: R });
  });

  describe('by field', () => {
    const data = {
      user: { name: 'n', Email: 'e', keys: [{ pin: 1 }, { pin: 2, ok: 3 }] },
      'a.b': { c: 1, d: 2 },
    };
    test.each<[string, JsonObject]>([
      ['data.user.name', { ...data, user: { ...data.user, name: R } }],
      ['data.user.email', { ...data, user: { ...data.user, Email: R } }],
      ['DATA.*.name', { ...data, user: { ...data.user, name: R } }],
      ['data.u*r', { ...data, user: R }],
      ['data.user.keys.*.pin', { ...data, user: { ...data.user, keys: [{ pin: R }, { pin: R, ok: 3 }] } }],
      ['**.pin', { ...data, user: { ...data.user, keys: [{ pin: R }, { pin: R, ok: 3 }] } }],
      ['**.user.**.pin', { ...data, user: { ...data.user, keys: [{ pin: R }, { pin: R, ok: 3 }] } }],
      ['data.user.keys.*', { ...data, user: { ...data.user, keys: [R, R] } }],
      ['data.user.**', { ...data, user: { name: R, Email: R, keys: R } }],
      ['data.a.b.c', { ...data, 'a.b': { c: R, d: 2 } }],
      ['data.a', { ...data, 'a.b': R }],
      ['**.name.x', data],
      ['name', data],
      ['data.user.nam', data],
      ['data.user.name?', data],
    ])('%s', (glob, expected) => {
      expect(dataFrom(data, { ...NONE, fields: [glob] })).toEqual(expected);
    });

    test('keys of any name', () => {
      const odd = JSON.parse('{"__proto__":{"pin":1,"b":2},"constructor":{"pin":3},"":{"pin":4}}');
      const result = dataFrom(odd, { ...NONE, fields: ['**.pin'] });
      expect(JSON.stringify(result)).toBe(
        `{"__proto__":{"pin":"${R}","b":2},"constructor":{"pin":"${R}"},"":{"pin":"${R}"}}`,
      );
    });

    test('thousands of keys, again and again', () => {
      const operate = built(redact, { ...NONE, fields: ['**.pin'] }, operatorContext(asyncScheduler));
      const many = Array.from({ length: 5000 }, (_, n) =>
        messageOf('a', { data: { [`k${n}`]: { pin: n } } }),
      );
      const hits: Json[] = [];
      of(...many, ...many)
        .pipe(operate)
        .subscribe((message) => hits.push(Object.values(recordOf(message).data as object)[0].pin));
      expect(hits).toEqual(Array(10_000).fill(R));
    });
  });

  describe('by value', () => {
    test.each([
      ['\\d{3}-\\d{2}', 'id 123-45, 678-90!', `id ${R}, ${R}!`],
      ['^x$', 'x', R],
      ['^x$', 'xx', 'xx'],
      ['(a)(b)', 'ab b', `${R} b`],
      ['(a)\\1', 'aa a', `${R} a`],
      ['\\p{Lu}', 'aÄb', `a${R}b`],
    ])('%s in %s', (pattern, text, expected) => {
      expect(textFrom(text, { ...NONE, values: [pattern] })).toBe(expected);
    });

    test('in numbers, arrays and objects; not in other things', () => {
      const data = { n: 12345, a: ['x1', ['y2']], o: { z: -3.5 }, b: true, c: null };
      expect(dataFrom(data, { ...NONE, values: ['\\d+'] })).toEqual({
        n: R,
        a: [`x${R}`, [`y${R}`]],
        o: { z: `-${R}.${R}` },
        b: true,
        c: null,
      });
    });

    test('with the replacement as it stands', () => {
      expect(textFrom('a1b', { ...NONE, values: ['\\d'], replacement: '$&$1' })).toBe('a$&$1b');
      expect(textFrom('a1b', { ...NONE, values: ['\\d'], replacement: '' })).toBe('ab');
    });

    test('written with escapes in the text', () => {
      const parsed = '{"source":"s","type":"event","data":{"m":"\\u0031\\u0032"}}';
      const message = createMessage({ ...messageOf('a'), head: parsed.slice(0, -1), parsed: undefined });
      expect(jsonOf(redacted(message, { ...NONE, values: ['12'] }))).toContain(`{"m":"${R}"}`);
    });
  });

  describe('ready-made', () => {
    const all = { patterns: ['passwords', 'tokens', 'credit_cards', 'emails'] };
    test.each([
      'password',
      'userPassword',
      'PASSWD',
      'client_secret',
      'passphrase',
      'pwd',
      'private_key',
      'token',
      'accessToken',
      'api_key',
      'X-Api-Key',
      'apikey',
      'aws_secret_access_key',
      'Authorization',
      'set-cookie',
      'cookie',
    ])('field %s', (key) => {
      expect(dataFrom({ context: { [key]: { any: 'thing' }, other: 1 } }, {})).toEqual({
        context: { [key]: R, other: 1 },
      });
    });

    test.each(['tokens_used', 'keyboard', 'passed', 'author', 'secretary'.slice(0, 4)])(
      'not field %s',
      (key) => {
        expect(dataFrom({ [key]: 'value' }, {})).toEqual({ [key]: 'value' });
      },
    );

    test.each([
      ['login password=hunter2 failed', `login password=${R} failed`],
      ['{"pwd": "hunter2", "a": 1}', `{"pwd": "${R}", "a": 1}`],
      ['password="correct horse" x', `password="${R}" x`],
      ["secret: 'it\\'s me', x", `secret: '${R}', x`],
      ['{\\"pwd\\": \\"correct horse\\", \\"a\\": 1}', `{\\"pwd\\": \\"${R}\\", \\"a\\": 1}`],
      ['password="" x', 'password="" x'],
      ['{\\"pwd\\": \\"\\", \\"a\\": 1}', '{\\"pwd\\": \\"\\", \\"a\\": 1}'],
      ['password=back\\slash x', `password=${R} x`],
      ['curl -H "Authorization: Basic dXNlcjpwdw==" x', `curl -H "Authorization: Basic ${R}" x`],
      ['Basic understanding', 'Basic understanding'],
      ['Secret: x', `Secret: ${R}`],
      ['postgresql://user:s3cr3t@db:5432/x', `postgresql://user:${R}@db:5432/x`],
      ['redis://:s3cr3t@db', `redis://:${R}@db`],
      ['Authorization: Bearer abc.def-123456', `Authorization: Bearer ${R}`],
      ['GET /?access_token=abc&x=1', `GET /?access_token=${R}&x=1`],
      ['jwt eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJ-_ end', `jwt ${R} end`],
      ['key AKIAIOSFODNN7EXAMPLE', `key ${R}`],
      [`ghp_${'a1B2'.repeat(9)}`, R],
      ['card 4111 1111 1111 1111.', `card ${R}.`],
      ['5500-0000-0000-0004', R],
      ['amex 378282246310005', `amex ${R}`],
      ['to jane.doe+x@mail.example.org now', `to ${R} now`],
    ])('%s', (text, expected) => {
      expect(textFrom(text, all)).toBe(expected);
    });

    test.each([
      'password reset requested',
      'at 1760956245123456 µs',
      '4111 1111 1111 1112',
      '4111111111111111111111111',
      'job 123456789012',
      'https://host:8080/path@x',
      'bearer of news',
      'user@localhost',
      'a @ b.c',
    ])('not %s', (text) => {
      expect(textFrom(text, all)).toBe(text);
    });

    test('a card’s number as a number', () => {
      expect(dataFrom({ card: 4111111111111111, start_us: 1760956245123456 }, {})).toEqual({
        card: R,
        start_us: 1760956245123456,
      });
    });

    test('only those chosen', () => {
      const text = 'password=x a@b.cc';
      expect(textFrom(text, { patterns: ['emails'] })).toBe(`password=x ${R}`);
      expect(textFrom(text, { patterns: ['passwords'] })).toBe(`password=${R} a@b.cc`);
      expect(textFrom(text, NONE)).toBe(text);
    });

    test('say what is wrong with an expression', () => {
      const problemOf = (value: string) =>
        redact.options?.safeParse({ values: [value] }).error?.issues[0]?.message;
      expect(problemOf('(')).toContain('Unterminated group');
      expect(problemOf('a*')).toBe('matches the empty text');
    });

    test('take linear time on hostile texts', () => {
      const hostile = [
        'a'.repeat(200_000),
        '1 '.repeat(100_000),
        'password='.repeat(20_000),
        'password="\\'.repeat(20_000),
        `password="${'\\"'.repeat(50_000)}`,
        '://a:'.repeat(40_000),
        'eyJ'.repeat(60_000),
        `${'a.'.repeat(90_000)}@`,
        `a@${'a.'.repeat(90_000)}`,
        'token'.repeat(40_000),
      ];
      for (const text of hostile) textFrom(text, all);
    });
  });

  test('redacts in its rule', () => {
    const batches = { m: batchOf([messageOf('a', { data: { pwd: 1 } }), messageOf('b')]) };
    const { results, context } = tryChain({ operators: [use('redact', redact)], source: 'm|', batches });
    expect([...results, ...context.failures]).toEqual(['0 ab', '1 |']);
  });

  test.each([
    { fields: [''] },
    { values: ['('] },
    { values: ['a*'] },
    { patterns: ['names'] },
    { replace: 'x' },
  ])('refuses %j', (options) => {
    expect(redact.options?.safeParse(options).success).toBe(false);
  });
});
