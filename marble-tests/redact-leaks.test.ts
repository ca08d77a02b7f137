import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { asyncScheduler, of } from 'rxjs';
import redact from '../pipelines/redact.ts';
import { createMessage, type Json, jsonOf, type Message } from '../src/message.ts';
import { built, messageOf, operatorContext } from '../test/route/support.ts';

function redacted(message: Message, options: object): Message {
  let result: Message | undefined;
  of(message)
    .pipe(built(redact, options, operatorContext(asyncScheduler)))
    .subscribe((each) => {
      result = each;
    });
  return result as Message;
}

describe('redact', () => {
  describe('leaks nothing through the original text', () => {
    const written = (json: string) =>
      createMessage({ ...messageOf('a'), head: json.slice(0, -1), parsed: undefined });
    test.each([
      '{"source":"s","type":"event","data":{"password":"hunter2"}}',
      '{"source":"s","type":"event","data":{"m":"with password=hunter2","m":"fine"}}',
      '{"source":"s","type":"event","data":{"password":"hunter2"},"data":{}}',
      '{"source":"s","type":"event","data":{"a":{"password" : "hunter2"},"a":1}}',
      '{"source":"s","type":"event","data":{"p\\u0061ssword":"hunter2"}}',
      '{"source":"s","type":"event","data":{"x\\":\\"":1,"m":"password=hunter2","m":"\\":\\""}}',
    ])('%s', (json) => {
      expect(jsonOf(redacted(written(json), {}))).not.toContain('hunter2');
    });

    test('and keeps that text where there is nothing to leak', () => {
      for (const json of [
        '{"source":"s","type":"event","data":{"n":12345678901234567890,"m":"{\\"a\\":1}"}}',
        '{ "source" : "s", "type":"event","data":{"m":"a:b","e":"\\\\","c":"\\u00e4"} }',
      ]) {
        const message = written(json);
        expect(redacted(message, {})).toBe(message);
      }
    });

    test('for any record, written in any way', () => {
      const secret = 'hunter2';
      const record = fc.letrec<{ value: Json }>((tie) => ({
        value: fc.oneof(
          { maxDepth: 4 },
          fc.constantFrom<Json>(`password=${secret}`, 'text', '":"', '\\', 1, null),
          fc.array(tie('value'), { maxLength: 3 }),
          fc.dictionary(fc.constantFrom('a', 'token', '__proto__', '":', ''), tie('value'), { maxKeys: 3 }),
        ),
      })).value;
      fc.assert(
        fc.property(record, fc.nat(2), (value, indent) => {
          const json = JSON.stringify(
            { source: 's', type: 'event', data: { value } },
            null,
            ' '.repeat(indent),
          ).replaceAll('\n', ' ');
          const message = written(json);
          const result = redacted(message, {});
          const text = jsonOf(result);
          expect(text).not.toContain(secret);
          expect(JSON.parse(text)).toMatchObject({ id: 'a', source: 's' });
          if (!json.includes(secret) && !json.includes('"token"')) expect(result).toBe(message);
        }),
      );
    });
  });
});
