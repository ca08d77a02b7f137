import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import type { Message } from '../../src/message.ts';
import { namesOf } from '../../src/sinks/cloudwatch/names.ts';
import { placeOf, targetOf } from '../../src/sinks/cloudwatch/place.ts';
import cloudwatch from '../../src/sinks/cloudwatch.ts';
import { batchOf, fakeService, openSink, outcomeOf } from './cloudwatch-support.ts';
import { message, sinkContext } from './support.ts';

const GROUP = /^[.\-_/#A-Za-z0-9]{1,512}$/;
const STREAM = /^[^:*]{1,512}$/;
const HOSTILE = [
  '',
  '_',
  '%',
  '#',
  '~',
  '..',
  'a/b',
  'a:b',
  'a*b',
  'a b',
  'a\u0000b',
  'a\nb',
  '\ud800',
  'log_stream=x',
  ' retention_days=1',
  '~overflow',
  '#2F',
  '%2F',
  '\u{1f600}',
  'é',
  'x'.repeat(600),
  'é'.repeat(600),
];
const value = fc.oneof(fc.constantFrom(...HOSTILE), fc.string({ unit: 'binary', maxLength: 250 }));
const keyOf = (group: string, stream: string, one: Message) => {
  const names = namesOf(group, stream);
  return targetOf({ group: names.group(one), stream: names.stream(one), retentionDays: undefined }).key;
};

describe('names', () => {
  test.each(['/a/{source}', '{source}/{type}/{job_id}/{trace_id}', '{source}-{type}', '{source}'])(
    'of template %s: allowed, whatever the values, and different for different values',
    (template) => {
      const fields = fc.record({ source: value, type: value, jobId: value, traceId: value });
      fc.assert(
        fc.property(fields, fields, (a, b) => {
          const names = namesOf(template, template);
          const [one, other] = [message(a), message(b)];
          expect(names.group(one)).toMatch(GROUP);
          expect(names.stream(one)).toMatch(STREAM);
          const used = (['source', 'type', 'jobId', 'traceId'] as const).filter((field) =>
            template.includes(`{${field.replace(/[A-Z]/, (letter) => `_${letter.toLowerCase()}`)}}`),
          );
          const isSame = used.every((field) => a[field] === b[field]);
          expect(names.group(one) === names.group(other)).toBe(isSame);
          expect(names.stream(one) === names.stream(other)).toBe(isSame);
        }),
        {
          examples: HOSTILE.map((text) => [
            { source: text, type: text, jobId: text, traceId: text },
            { source: '', type: '', jobId: '', traceId: '' },
          ]),
        },
      );
    },
  );

  test('a value cannot be made to look like a long one that was cut', () => {
    const { group } = namesOf('{source}', '{source}');
    let tried = 0;
    for (let n = 0; tried < 3; n++) {
      const name = group(message({ source: `${'x'.repeat(600)}${n}` }));
      // The start of its hash read as an escaped byte; those with a letter would be escaped in upper case.
      const [, start, byte, rest] = /^(x+)#+([01][0-9])(\w+)$/.exec(name) ?? [];
      if (start === undefined) continue;
      tried++;
      const crafted = `${start}${String.fromCharCode(Number.parseInt(byte!, 16))}${rest}`;
      expect(group(message({ source: crafted }))).not.toBe(name);
    }
  });

  test('a target says its place, and can be read back', () => {
    fc.assert(
      fc.property(value, value, fc.option(fc.nat(), { nil: undefined }), (a, b, retentionDays) => {
        const names = namesOf('/a/{source}', 'x {type}');
        const one = message({ source: a, type: b });
        const place = { group: names.group(one), stream: names.stream(one), retentionDays };
        expect(placeOf(targetOf(place))).toEqual(place);
      }),
    );
    expect(keyOf('/app', '{source}', message())).toBe('log_group=/app log_stream=web');
    expect(() => placeOf({ key: 'elsewhere' })).toThrow('"elsewhere" is no log stream');
  });

  test.each([
    [{ log_group: 'aws/lambda' }, 'aws/ is the start of names of AWS itself'],
    [{ log_group: '/a#{source}' }, 'write another separator than # before a field'],
  ])('%j is refused', (options, why) => {
    const { error } = cloudwatch.options.safeParse({ region: 'x', ...options });
    expect(error!.issues.map(({ message: text }) => text)).toEqual([why]);
  });

  test('hostile sources reach streams of their own', async () => {
    const fake = await fakeService();
    const sink = openSink(fake, { log_group: '/a/{source}' });
    for (const source of HOSTILE) {
      const sent = batchOf([message({ source, timeMs: Date.now() })]);
      expect(await outcomeOf(sink, sent)).toBe('accepted');
    }
    expect(fake.violations).toEqual([]);
    expect(fake.groups.size).toBe(HOSTILE.length);
  });
});

describe('more streams than `max_streams`', () => {
  const DAY_MS = 24 * 3_600_000;
  const scene = async (options: object = {}) => {
    const context = sinkContext();
    const clock = { ms: 0 };
    const scheduler = { ...context.scheduler, now: () => clock.ms } as never;
    const sink = openSink(await fakeService(), { max_streams: 3, ...options }, { ...context, scheduler });
    const { target } = sink.address({});
    return { clock, context, key: (source: string, type = 'event') => target(message({ source, type })).key };
  };

  test('share one; those that had theirs keep it; it is said once', async () => {
    const { key, context } = await scene();
    for (const source of ['a', 'b', 'c']) expect(key(source)).toBe(`log_group=/app log_stream=${source}`);
    for (const source of ['d', 'e', 'd']) expect(key(source)).toBe('log_group=/app log_stream=~overflow');
    expect(key('a')).toBe('log_group=/app log_stream=a');
    expect(context.lines.map(({ level, message: text }) => [level, text])).toEqual([
      ['warn', 'More log streams than `max_streams`: new ones share one stream'],
    ]);
  });

  test('no value can name the shared stream', async () => {
    const { key } = await scene();
    expect(key('~overflow')).toBe('log_group=/app log_stream=%7Eoverflow');
  });

  test('groups of their own are bounded with them', async () => {
    const { key } = await scene({ log_group: '/x/{source}/{type}' });
    for (const source of ['a', 'b', 'c']) key(source);
    const beyond = new Set(Array.from({ length: 50 }, (_, n) => key(`s${n}`, `t${n}`)));
    expect([...beyond]).toEqual(['log_group=/x/overflow/overflow log_stream=~overflow']);
  });

  test('a stream that is idle for a day makes room, one in use does not', async () => {
    const { key, clock, context } = await scene();
    for (const source of ['a', 'b', 'c', 'd']) key(source);
    clock.ms = DAY_MS - 1;
    key('a');
    expect(key('e')).toBe('log_group=/app log_stream=~overflow');
    clock.ms = DAY_MS + 60_000;
    expect(key('e')).toBe('log_group=/app log_stream=e');
    expect(key('f')).toBe('log_group=/app log_stream=f');
    expect(key('g')).toBe('log_group=/app log_stream=~overflow');
    expect(key('a')).toBe('log_group=/app log_stream=a');
    expect(context.lines).toHaveLength(2);
  });
});
