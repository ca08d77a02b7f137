import { expect, test } from '@jest/globals';
import { textOf } from '../../src/live/text.ts';

test('resources are told with their units, in four digits', () => {
  const data = {
    cpu: 49.339555549760284,
    memory: 362.3406914123875,
    disk: 1_739_548.26,
    pid: 4711,
    per: 'host',
  };
  expect(textOf('resource', { data })).toBe('cpu 49.34 %, memory 362.3 MB, disk 1739548.3 MB, pid 4711');
});

test('a metric is told as it was sent', () => {
  expect(textOf('metric', { data: { name: 'ratio', value: 0.123456789, unit: '' } })).toBe(
    'ratio = 0.123456789',
  );
});
