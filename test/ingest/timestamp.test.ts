import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalMs, parseTimestamp } from '../../src/ingest/timestamp.ts';

const MS = Date.parse('2025-10-20T10:30:45.123Z');
const SECOND = Date.parse('2025-10-20T10:30:45.000Z');

describe('parseTimestamp', () => {
  test.each([
    ['no fraction', '2025-10-20T10:30:45Z', SECOND, undefined],
    ['1 digit', '2025-10-20T10:30:45.1Z', SECOND + 100, undefined],
    ['2 digits', '2025-10-20T10:30:45.12Z', SECOND + 120, undefined],
    ['3 digits', '2025-10-20T10:30:45.123Z', MS, undefined],
    ['4 digits', '2025-10-20T10:30:45.1234Z', MS, MS * 1000 + 400],
    ['5 digits', '2025-10-20T10:30:45.12345Z', MS, MS * 1000 + 450],
    ['6 digits', '2025-10-20T10:30:45.123456Z', MS, MS * 1000 + 456],
    ['7 digits', '2025-10-20T10:30:45.1234567Z', MS, MS * 1000 + 456],
    ['8 digits', '2025-10-20T10:30:45.12300009Z', MS, undefined],
    ['9 digits', '2025-10-20T10:30:45.123456789Z', MS, MS * 1000 + 456],
    ['an offset east', '2025-10-20T12:30:45.123+02:00', MS, undefined],
    ['an offset west, over a day', '2025-10-19T23:00:45.123-11:30', MS, undefined],
    ['no offset known', '2025-10-20T10:30:45.123-00:00', MS, undefined],
    ['lower case', '2025-10-20t10:30:45.123z', MS, undefined],
    ['a blank for the T', '2025-10-20 10:30:45.123Z', MS, undefined],
    ['a leap second', '2016-12-31T23:59:60.5Z', Date.parse('2017-01-01T00:00:00.500Z'), undefined],
    ['a leap day', '2024-02-29T00:00:00Z', Date.parse('2024-02-29T00:00:00Z'), undefined],
    ['the first year', '0000-01-01T00:00:00Z', -62_167_219_200_000, undefined],
    ['epoch seconds', 1_760_956_245, SECOND, undefined],
    ['epoch seconds with a fraction', 1_760_956_245.123, MS, undefined],
    ['epoch seconds with microseconds', 1_760_956_245.123456, MS, MS * 1000 + 456],
    ['epoch milliseconds', MS, MS, undefined],
    ['epoch microseconds', MS * 1000 + 456, MS, MS * 1000 + 456],
    ['epoch nanoseconds', 1_760_956_245_123_456_000, MS, MS * 1000 + 456],
    ['the second after the epoch', 1, 1000, undefined],
  ])('takes %s', (_, value, ms, us) => {
    expect(parseTimestamp(value)).toEqual({ ms, us });
  });

  test.each([
    ['nothing', undefined],
    ['null', null],
    ['a truth', true],
    ['a list', [2025]],
    ['a map', { ms: 1 }],
    ['an empty text', ''],
    ['a word', 'yesterday'],
    ['a number as text', '1760956245'],
    ['a date alone', '2025-10-20'],
    ['no zone', '2025-10-20T10:30:45'],
    ['10 digits', '2025-10-20T10:30:45.1234567891Z'],
    ['month 13', '2025-13-01T00:00:00Z'],
    ['month 0', '2025-00-01T00:00:00Z'],
    ['day 0', '2025-01-00T00:00:00Z'],
    ['30 February', '2025-02-30T00:00:00Z'],
    ['29 February of a common year', '2025-02-29T00:00:00Z'],
    ['29 February of 1900', '1900-02-29T00:00:00Z'],
    ['hour 24', '2025-01-01T24:00:00Z'],
    ['minute 60', '2025-01-01T00:60:00Z'],
    ['second 61', '2025-01-01T00:00:61Z'],
    ['an offset of 24 hours', '2025-01-01T00:00:00+24:00'],
    ['an offset of 60 minutes', '2025-01-01T00:00:00+00:60'],
    ['before the year 0', '0000-01-01T00:00:00+00:01'],
    ['after the year 9999', '9999-12-31T23:59:60Z'],
    ['something after it', '2025-10-20T10:30:45Z\n'],
    ['zero', 0],
    ['a negative number', -5],
    ['a number without a unit', 1e20],
  ])('does not take %s', (_, value) => {
    expect(parseTimestamp(value)).toBeUndefined();
  });

  test('reads every time that a Date can write', () => {
    const anyDate = fc.date({
      min: new Date('0000-01-01T00:00:00Z'),
      max: new Date('9999-12-31T23:59:59.999Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(anyDate, (date) => {
        expect(parseTimestamp(date.toISOString())).toEqual({ ms: date.getTime(), us: undefined });
        expect(canonicalMs(date.toISOString())).toBe(date.getTime());
      }),
    );
  });
});

test.each([
  '2025-10-20T10:30:45Z',
  '2025-10-20T10:30:45.123+00:00',
  '2025-10-20t10:30:45.123Z',
  '2016-12-31T23:59:60.000Z',
  '2025-02-30T10:30:45.123Z',
  '',
])('canonicalMs does not take %s', (text) => {
  expect(canonicalMs(text)).toBeNaN();
});
