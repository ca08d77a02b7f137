import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { confiner } from '../../src/sinks/naming/confine.ts';
import { datePart, FIELDS } from '../../src/sinks/naming/field.ts';
import { template } from '../../src/sinks/naming/option.ts';
import { remember } from '../../src/sinks/naming/remember.ts';
import { compileTemplate } from '../../src/sinks/naming/template.ts';
import { message } from './support.ts';

const plain = confiner({ maxBytes: 200, without: '' });
/** Strings as bad as the wire can make them: lone surrogates, controls, separators, dots, percent signs. */
const hostile = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({
    unit: fc.constantFrom('.', '/', '\\', '\0', '%', '2', 'E', '~', '_', '-', 'a', '\ud800', '\udfff', 'ä'),
    maxLength: 12,
  }),
  fc.string({ unit: 'binary', minLength: 60, maxLength: 400 }),
);

describe('confine', () => {
  test.each([
    ['queue-service', 'queue-service'],
    ['Web_01.example.com', 'Web_01.example.com'],
    ['', '_'],
    ['_', '%5F'],
    ['__', '__'],
    ['.', '%2E'],
    ['..', '%2E%2E'],
    ['a..b', 'a.%2Eb'],
    ['.hidden', '%2Ehidden'],
    ['-rf', '%2Drf'],
    ['end.', 'end%2E'],
    ['../../etc/passwd', '%2E%2E%2F.%2E%2Fetc%2Fpasswd'],
    ['a\\b', 'a%5Cb'],
    ['a b:c*', 'a%20b%3Ac%2A'],
    ['100%', '100%25'],
    ['%2E', '%252E'],
    ['~', '%7E'],
    ['nul\0', 'nul%00'],
    ['new\nline\x1b[2J', 'new%0Aline%1B%5B2J'],
    ['für', 'f%C3%BCr'],
    ['u\u0308', 'u%CC%88'],
    ['日', '%E6%97%A5'],
    ['😀', '%F0%9F%98%80'],
    ['\u202egpj.exe', '%E2%80%AEgpj.exe'],
    ['\ud800', '%ED%A0%80'],
    ['\udfff', '%ED%BF%BF'],
  ])('%j becomes %s', (value, name) => expect(plain(value)).toBe(name));

  test('what was not cut can be read back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1, maxLength: 15 }), (value) => {
        fc.pre(value !== '_');
        expect(decodeURIComponent(plain(value))).toBe(value);
      }),
    );
  });

  test('a long name is cut between escapes and keeps a hash of the whole', () => {
    const name = plain('ü'.repeat(128));
    expect(name).toMatch(/^(%C3%BC)+(%C3)?~[0-9a-f]{32}$/);
    expect(name.length).toBeLessThanOrEqual(200);
    expect(plain(`${'ü'.repeat(127)}x`)).not.toBe(name);
  });

  test('long values that differ only in a lone surrogate have different names', () => {
    const [one, other] = ['\ud800', '\ud801'].map((last) => plain(`${'a'.repeat(300)}${last}`));
    expect(one).not.toBe(other);
  });

  test('exactly 200 bytes are left alone', () => {
    expect(plain('a'.repeat(200))).toBe('a'.repeat(200));
    expect(plain('a'.repeat(201))).toMatch(/^a{167}~[0-9a-f]{32}$/);
  });

  test('nobody can forge the name of a value that was cut', () => {
    const cut = plain('a'.repeat(300));
    expect(plain(cut)).not.toBe(cut);
  });

  test('any string becomes one harmless part of a path', () => {
    fc.assert(
      fc.property(hostile, fc.constantFrom('', '.', '_', '-'), (value, without) => {
        const name = confiner({ maxBytes: 64, without })(value);
        expect(name).toMatch(/^[A-Za-z0-9._%~-]+$/);
        expect(name).not.toMatch(/^[.-]|\.\.|\.$/);
        expect(name.length).toBeLessThanOrEqual(64);
        if (without !== '' && value !== '') expect(name).not.toContain(without);
      }),
      { numRuns: 2_000 },
    );
  });

  test('different strings have different names', () => {
    fc.assert(
      fc.property(hostile, hostile, fc.constantFrom('', '.', '_', '-'), (a, b, without) => {
        fc.pre(a !== b);
        const confine = confiner({ maxBytes: 64, without });
        expect(confine(a)).not.toBe(confine(b));
      }),
      { numRuns: 5_000 },
    );
  });

  test('the small strings, all of them, have different names', () => {
    const letters = ['', '.', '-', '_', '%', '~', '/', 'a', '2', 'E', '\ud800'];
    const all = new Set(
      letters.flatMap((a) => letters.flatMap((b) => letters.flatMap((c) => `${a}${b}${c}`))),
    );
    for (const without of ['', '.', '_', '-']) {
      expect(new Set([...all].map(confiner({ maxBytes: 64, without }))).size).toBe(all.size);
    }
  });
});

describe('template', () => {
  const render = (text: string, fields: Parameters<typeof message>[0] = {}) =>
    compileTemplate(text).render(message(fields));

  test('fields of the message and of its time in UTC', () => {
    const fields = { source: 'web', type: 'metric', jobId: 'j1', traceId: 'abc', severity: 5 };
    expect(render('{source}/{type}/{job_id}/{trace_id}/{level}', fields)).toBe('web/metric/j1/abc/error');
    expect(render('{yyyy}{MM}{dd}-{HH}{mm} {date} {hour}')).toBe('20251020-1030 2025-10-20 10');
  });

  test('absent values', () => {
    expect(render('{job_id}/{trace_id}/{level}')).toBe('_/_/_');
  });

  test.each([
    ['{source}.jsonl', false],
    ['all.jsonl', false],
    ['{source}/{source}', false],
    ['{source}-{type}', true],
    ['{date}', true],
    ['{mm}', true],
  ])('%s is rendered for each message: %s', (text, perMessage) => {
    expect(compileTemplate(text).perMessage).toBe(perMessage);
  });

  test.each([
    ['{sorce}.jsonl', 'unknown field {sorce} in "{sorce}.jsonl"; did you mean "source"?'],
    ['{jobid}', 'did you mean "job_id"?'],
    ['{nothing-like-it}', '; there are {source} {type} {level} {job_id} {trace_id} {yyyy} {MM} {dd}'],
    ['{}', 'unknown field {}'],
    ['{ source}', 'did you mean "source"?'],
    ['{source', 'stray brace in "{source"; a field is written {source}'],
    ['source}', 'stray brace'],
    ['{{source}}', 'stray brace'],
    ['{source}{type}', 'write a separator such as - or / before {type}'],
    ['{date}{source}{job_id}', 'before {job_id}'],
    ['{source}{date}{type}', 'before {type}'],
    ['{source}x{type}', 'before {type}'],
    ['{source}~{type}', 'before {type}'],
    ['{source}%{type}', 'before {type}'],
  ])('%s is refused', (text, error) => expect(() => compileTemplate(text)).toThrow(error));

  test('only the fields that the caller knows', () => {
    expect(() => compileTemplate('{type}', ['source', 'trace_id'])).toThrow('there are {source} {trace_id}');
  });

  test('values cannot leave their part of the path', () => {
    expect(render('logs/{source}/x.jsonl', { source: '../../etc' })).toBe('logs/%2E%2E%2F.%2E%2Fetc/x.jsonl');
    expect(render('logs/{source}', { source: '' })).toBe('logs/_');
  });

  test('the first value of a part stays readable, the later ones escape the separator before them', () => {
    expect(render('{source}-{job_id}.jsonl', { source: 'queue-service', jobId: 'job-7' })).toBe(
      'queue-service-job%2D7.jsonl',
    );
    expect(render('{source}/{job_id}-{date}', { source: 'a-b', jobId: 'job-7' })).toBe(
      'a-b/job-7-2025-10-20',
    );
  });

  test('a part with several values stays below 200 bytes', () => {
    const fields = { source: '/'.repeat(128), type: '/'.repeat(128), jobId: '/'.repeat(128) };
    const name = render('{source}-{type}-{job_id}.jsonl', fields);
    expect(name.length).toBeLessThanOrEqual(200);
    expect(name.match(/~[0-9a-f]{32}/g)).toHaveLength(3);
  });

  test('different values never share a name, whatever the separators', () => {
    const text = fc.constantFrom(
      '{source}-{job_id}',
      '{source}_{job_id}.x',
      '{source}.{job_id}.jsonl',
      'a/{job_id}--{source}',
      '{source}-{date}-{job_id}',
      '{source}/{job_id}',
      '{source} {job_id}',
    );
    fc.assert(
      fc.property(text, hostile, hostile, hostile, hostile, (template, a, b, c, d) => {
        fc.pre(a !== c || b !== d);
        const { render } = compileTemplate(template);
        const one = render(message({ source: a, jobId: b }));
        expect(render(message({ source: c, jobId: d }))).not.toBe(one);
      }),
      { numRuns: 5_000 },
    );
  });

  test('a separator moved from one value to the other makes another name', () => {
    for (const mark of ['-', '_', '.']) {
      const { render } = compileTemplate(`{source}${mark}{job_id}`);
      const parts = [
        `a${mark}b${mark}c`,
        'a',
        `b${mark}c`,
        `a${mark}b`,
        'c',
        '',
        mark,
        `${mark}c`,
        `a${mark}`,
      ];
      const names = parts.flatMap((source) => parts.map((jobId) => render(message({ source, jobId }))));
      expect(new Set(names).size).toBe(parts.length ** 2);
    }
  });

  test('a flood of values changes nothing but the time it takes', () => {
    const { render } = compileTemplate('{source}/{type}');
    for (let i = 0; i < 40_000; i++) expect(render(message({ source: `s${i}`, type: 't' }))).toBe(`s${i}/t`);
    expect(render(message({ source: 's1', type: 't' }))).toBe('s1/t');
  });

  test('the time decides by the minute', () => {
    const { render } = compileTemplate('{HH}{mm}');
    const names = [0, 59_999, 60_000, 3_600_000].map((timeMs) => render(message({ timeMs })));
    expect(names).toEqual(['0000', '0000', '0001', '0100']);
  });

  test.each(FIELDS)('{%s} is a field', (field) => {
    expect(render(`{${field}}`)).toMatch(/^[\w-]+$/);
  });
});

test.each([
  [Date.UTC(12025, 0, 1), '9999'],
  [-1e14, '0000'],
  [Number.NaN, '0000'],
  [Date.UTC(7, 0, 1) - 1e13, '1590'],
])('the year of %d has four digits', (timeMs, year) => expect(datePart('yyyy', timeMs)).toBe(year));

test('a template option passes its text through and explains what is wrong with it', () => {
  expect(template().parse('{source}/x')).toBe('{source}/x');
  expect(template().safeParse('{sourc}').error?.issues[0]?.message).toMatch('did you mean "source"?');
  expect(template(['source']).safeParse('{type}').success).toBe(false);
  expect(template().safeParse('').success).toBe(false);
});

describe('remember', () => {
  test('computes once for the same keys', () => {
    let computed = 0;
    const sum = remember<readonly number[], number>([([a = 0]) => a, ([, b = 0]) => b], ([a = 0, b = 0]) => {
      computed++;
      return a + b;
    });
    expect([sum([1, 2]), sum([1, 2, 9]), sum([2, 1]), sum([1, 2])]).toEqual([3, 3, 3, 3]);
    expect(computed).toBe(2);
  });

  test('forgets at its bound and goes on', () => {
    let computed = 0;
    const same = remember([(key: number) => key], (key) => {
      computed++;
      return key;
    });
    for (let i = 0; i < 16_384; i++) same(i);
    expect(same(1)).toBe(1);
    expect(computed).toBe(16_385);
  });

  test('remembers `undefined` too, and needs no keys', () => {
    let computed = 0;
    const constant = remember([], () => void computed++);
    constant('a');
    constant('b');
    expect(computed).toBe(1);
  });

  test('a throw is not remembered', () => {
    let throws = true;
    const get = remember([(key: string) => key], (key) => {
      if (throws) throw new Error('once');
      return key;
    });
    expect(() => get('a')).toThrow('once');
    throws = false;
    expect(get('a')).toBe('a');
  });
});
