import { readdirSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { CODECS } from '../../src/ingest/detect.ts';
import { REJECTIONS } from '../../src/ingest/rejections.ts';
import { cutAt, decodeAll } from './harness.ts';

const codecOf = (byte: number) => CODECS.filter(({ accepts }) => accepts(byte)).map(({ name }) => name);

describe('the first byte', () => {
  test('fixes the framing, and each byte at most one', () => {
    const names = Array.from({ length: 256 }, (_, byte) => codecOf(byte));
    for (const [byte, found] of names.entries()) {
      const isMap = (byte >= 0x80 && byte <= 0x8f) || byte === 0xde || byte === 0xdf;
      const expected = byte === 0x7b ? ['ndjson'] : byte === 0 ? ['framed'] : isMap ? ['msgpack'] : [];
      expect(found).toEqual(expected);
    }
  });

  test('may have blanks before it, in any pieces', () => {
    for (const payload of [
      Buffer.from('{"a":1}\n'),
      Buffer.from('81a16101', 'hex'),
      Buffer.from('000000077b2261223a317d', 'hex'),
    ]) {
      const bytes = Buffer.concat([Buffer.from(' \t\r\n\n '), payload]);
      for (const chunks of [[bytes], cutAt(bytes, [1, 2, 3, 4, 5, 6, 7, 8])]) {
        expect(decodeAll(chunks)).toMatchObject({ texts: ['{"a":1}'], rejected: [], refused: false });
      }
    }
  });

  test('blanks alone, and nothing at all, are a connection without records', () => {
    expect(decodeAll([Buffer.from(' \n')])).toMatchObject({
      texts: [],
      rejected: [],
      refused: false,
      completed: true,
    });
    expect(decodeAll([])).toMatchObject({ texts: [], rejected: [], refused: false, completed: true });
  });

  test('of a TLS hello closes, with a hint', () => {
    expect(decodeAll([Buffer.from('160301', 'hex')])).toMatchObject({
      rejected: ['tls_hello'],
      refused: true,
      reply: undefined,
    });
    expect(REJECTIONS.tls_hello).toContain('`tls`');
  });

  test('of an upper-case letter is taken for HTTP and answered', () => {
    for (const request of ['GET / HTTP/1.1\r\n\r\n', 'POST /x HTTP/1.1\r\n\r\n{"a":1}\n', 'A', 'Z']) {
      const { texts, rejected, refused, reply, completed } = decodeAll([Buffer.from(request)]);
      expect([texts, rejected, refused, completed]).toEqual([[], ['http'], true, true]);
      const [head, body] = reply!.split('\r\n\r\n');
      expect(head).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/);
      expect(head).toContain(`Content-Length: ${Buffer.byteLength(body!)}`);
      expect(head).toContain('Connection: close');
      expect(body).toMatch(/^This port .* http:\/\/127\.0\.0\.1:17001\/\n$/);
    }
  });

  test('of an HTTP request is answered without an address where there is no page', () => {
    expect(decodeAll([Buffer.from('GET')], { pageUrl: '' }).reply).toMatch(/not HTTP\.\n$/);
  });

  test.each(['@', '[', 'a', '"', '1', '}', '\x01', '\x7f', '\ufeff{"a":1}\n', '\xff'])(
    'of %j closes',
    (text) => {
      const { texts, rejected, refused, reply } = decodeAll([Buffer.from(text), Buffer.from('{"a":1}\n')]);
      expect([texts, rejected, refused, reply]).toEqual([[], ['first_byte'], true, undefined]);
    },
  );

  test('decides: an event smuggled behind a bad start is not accepted', () => {
    const { texts } = decodeAll([Buffer.from('x\n{"source":"evil"}\n')]);
    expect(texts).toEqual([]);
  });
});

test('garbage in any pieces never throws, and counts reasons of the fixed set only', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 2_000 }), fc.array(fc.nat()), (garbage, cuts) => {
      const { rejected, completed } = decodeAll(cutAt(Buffer.from(garbage), cuts));
      expect(completed).toBe(true);
      for (const reason of rejected) expect(Object.keys(REJECTIONS)).toContain(reason);
    }),
    { numRuns: 2_000 },
  );
});

test('every file in codecs/ exports a codec of its name, and is in the table', async () => {
  const folder = new URL('../../src/ingest/codecs/', import.meta.url);
  const files = readdirSync(folder);
  for (const file of files) {
    const { codec, ...others } = await import(new URL(file, folder).href);
    expect(Object.keys(others)).toEqual([]);
    expect(`${codec.name}.ts`).toBe(file);
    expect(CODECS).toContain(codec);
  }
  expect(CODECS).toHaveLength(files.length);
});
