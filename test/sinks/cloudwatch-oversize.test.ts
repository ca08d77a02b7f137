import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { Partly } from '../../src/deliver/sink.ts';
import { jsonOf, type Message } from '../../src/message.ts';
import { LIMITS } from '../../src/sinks/cloudwatch/limits.ts';
import { piecesOf, splitUp, truncated, wellFormed } from '../../src/sinks/cloudwatch/oversize.ts';
import { at, batchOf, fakeService, openSink, outcomeOf, sized, textsIn } from './cloudwatch-support.ts';
import { message } from './support.ts';

const now = Date.now();
const anyText = fc.string({ unit: 'binary', maxLength: 300 });
const half = fc.constantFrom('\ud83d', '\ude00', '\ud83d\ude00', '"', '\\', '\n', 'é', 'あ', 'x');
const cruel = fc.array(half, { maxLength: 300 }).map((parts) => parts.join(''));
const escapedBytes = (text: string) => Buffer.byteLength(JSON.stringify(text)) - 2;
const isWhole = (text: string) => !/[\ud800-\udfff]/u.test(text);

describe('pieces', () => {
  test('are the text, cut between characters, each as long as may be', () => {
    fc.assert(
      fc.property(
        fc.oneof(anyText, cruel).map(wellFormed),
        fc.integer({ min: 6, max: 40 }),
        (text, maxBytes) => {
          const pieces = piecesOf(text, maxBytes);
          expect(pieces.join('')).toBe(text);
          for (const [nth, piece] of pieces.entries()) {
            expect(piece !== '' && isWhole(piece) && escapedBytes(piece) <= maxBytes).toBe(true);
            // Six bytes are the longest that a control character may need.
            if (nth < pieces.length - 1) expect(escapedBytes(piece)).toBeGreaterThan(maxBytes - 6);
          }
        },
      ),
    );
  });

  test('what is no whole character is replaced, as UTF-8 would have to', () => {
    fc.assert(
      fc.property(cruel, (text) => {
        expect(wellFormed(text)).toBe(Buffer.from(text).toString());
        expect(Buffer.byteLength(wellFormed(text))).toBe(Buffer.byteLength(text));
      }),
    );
  });
});

describe('a record over the limit', () => {
  const MAX = 8000;
  const name = fc.oneof(cruel, anyText, fc.constant('s'.repeat(5000)));
  const records = fc
    .record({ source: name, type: name, traceId: fc.constantFrom('', 't'), jobId: cruel, text: cruel })
    .map(({ text, ...fields }) => message({ ...fields, timeMs: now }, { text: text.repeat(30) }));

  test('truncated: JSON of at most that length, with the envelope and the start of the record', () => {
    fc.assert(
      fc.property(records, (one) => {
        const text = wellFormed(jsonOf(one));
        const event = truncated(one, text, MAX);
        expect(Buffer.byteLength(event)).toBeLessThanOrEqual(MAX);
        const record = JSON.parse(event);
        expect(record).toMatchObject({ id: one.id, timestamp: new Date(now).toISOString() });
        expect(record.truncated.bytes).toBe(Buffer.byteLength(text));
        expect(text.startsWith(record.truncated.text)).toBe(true);
        expect(record.truncated.text === text || Buffer.byteLength(event) > MAX - 6).toBe(true);
      }),
    );
  });

  test('split: pieces that are the record, numbered', () => {
    fc.assert(
      fc.property(records, (one) => {
        const text = wellFormed(jsonOf(one));
        const events = splitUp(one, text, MAX);
        for (const event of events) expect(Buffer.byteLength(event)).toBeLessThanOrEqual(MAX);
        const parts = events.map((event) => JSON.parse(event).part);
        expect(parts.map(({ number, count }) => [number, count])).toEqual(
          events.map((_, n) => [n + 1, events.length]),
        );
        expect(parts.map((part) => part.text).join('')).toBe(text);
      }),
    );
  });

  const long = (): Message => sized(LIMITS.messageBytes + 1, now, '\u{1f600}');

  test('is truncated if nothing else is said; a byte less is left as it is', async () => {
    const fake = await fakeService();
    const [one, fits] = [long(), sized(LIMITS.messageBytes, now, '\u{1f600}')];
    expect(await outcomeOf(openSink(fake), batchOf([one, fits]))).toBe('accepted');
    const texts = textsIn(fake);
    expect(texts).toHaveLength(2);
    expect(texts).toContain(jsonOf(fits));
    const record = JSON.parse(texts.find((text) => text !== jsonOf(fits))!);
    expect(record).toMatchObject({ id: one.id, source: 'web', type: 'event' });
    expect(record.truncated.bytes).toBe(LIMITS.messageBytes + 1);
    expect(fake.violations).toEqual([]);
  });

  test('is split if so configured', async () => {
    const fake = await fakeService();
    const one = at(now, { text: '"\\é\u{1f600}'.repeat(300_000) });
    expect(await outcomeOf(openSink(fake, { oversize: 'split' }), batchOf([one]))).toBe('accepted');
    const parts = textsIn(fake).map((text) => JSON.parse(text).part);
    parts.sort((a, b) => a.number - b.number);
    expect(parts.map(({ text }) => text).join('')).toBe(jsonOf(one));
    expect(fake.violations).toEqual([]);
  });

  test('is a dead letter if so configured', async () => {
    const fake = await fakeService();
    const [one, short] = [long(), at(now)];
    const outcome = await outcomeOf(openSink(fake, { oversize: 'dead_letter' }), batchOf([one, short]));
    expect(outcome).toBeInstanceOf(Partly);
    expect([...(outcome as Partly).refused]).toEqual([
      [one, 'longer than the 1048550 bytes that CloudWatch Logs takes'],
    ]);
    expect(textsIn(fake)).toEqual([jsonOf(short)]);
  });

  test('if a piece of it fails, all of it is sent again', async () => {
    const fake = await fakeService();
    const sink = openSink(fake, { oversize: 'split' });
    await outcomeOf(sink, batchOf([at(now)]));
    const one = at(now, { text: 'x'.repeat(3_000_000) });
    const { nth } = fake.actions('PutLogEvents').at(-1)!;
    fake.fault = (request) =>
      request.nth === nth + 2 ? { type: 'InternalFailure', status: 500 } : undefined;
    const outcome = await outcomeOf(sink, batchOf([one]));
    expect(outcome).toMatchObject({ name: 'InternalFailure' });
  });
});
