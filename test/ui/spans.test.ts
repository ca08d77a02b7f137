import { describe, expect, test } from '@jest/globals';
import { duration, figure, hueOf, huesOf } from '../../src/ui/format.ts';
import type { Span } from '../../src/ui/shapes.ts';
import { rowsOf, windowOf } from '../../src/ui/spans.ts';
import { visible } from '../../src/ui/visible.ts';

const span = (span_id: string, startMs: number, parent_span_id?: string): Span => ({
  span_id,
  started: new Date(startMs).toISOString(),
  source: 'a',
  name: span_id,
  state: 'ok',
  ...(parent_span_id !== undefined && { parent_span_id }),
});
const shown = (spans: readonly Span[], closed: string[] = [], root?: string) =>
  rowsOf(spans, new Set(closed), root).map(({ span: { span_id }, level }) => `${level}${span_id}`);

describe('the rows of a waterfall', () => {
  const tree = [span('c', 3, 'a'), span('b', 2, 'a'), span('d', 4, 'b'), span('a', 1)];

  test('are in depth first order, children by their start', () => {
    expect(shown(tree)).toEqual(['1a', '2b', '3d', '2c']);
  });

  test('below a closed one are left out', () => {
    expect(shown(tree, ['b'])).toEqual(['1a', '2b', '2c']);
  });

  test('of a subtree begin with its root', () => {
    expect(shown(tree, [], 'b')).toEqual(['1b', '2d']);
  });

  test('hold every span once, orphans and cycles too', () => {
    expect(shown([span('x', 1, 'y'), span('y', 2, 'x'), span('o', 3, 'gone')])).toEqual(['1o', '1x', '2y']);
  });
});

test('only rows in sight are drawn', () => {
  expect(windowOf(10_000, 20, 20_000, 500, 8)).toEqual([992, 1033]);
  expect(windowOf(3, 20, 0, 500)).toEqual([0, 3]);
});

test('up to eight services have a colour of their own, and one that stays', () => {
  const services = ['archive', 'db-loader', 'file-receiver', 'forecast', 'order-report', 'queue-service'];
  const hues = services.map(hueOf);
  expect(new Set(hues).size).toBe(services.length);
  for (let more = 0; more < 20; more++) expect([0, 1, 2, 3, 4, 5, 6, 7]).toContain(hueOf(`more ${more}`));
  expect(services.map(hueOf)).toEqual(hues);
});

test('lines of one service in a chart have the colour of the service, then free ones', () => {
  const hues = huesOf(['archive', 'archive', 'db-loader', 'archive']);
  expect(hues[0]).toBe(hueOf('archive'));
  expect(hues[2]).toBe(hueOf('db-loader'));
  expect(new Set(hues).size).toBe(4);
  expect(huesOf(Array(20).fill('archive'))).toHaveLength(20);
});

test('a measured number keeps its digits', () => {
  expect([0.28414, 12.3456, 1_739_548, 1234.56, 0, -0.00012345].map(figure)).toEqual([
    ...['0.2841', '12.35', '1,739,548', '1,234.6', '0', '-0.0001235'],
  ]);
});

test('durations read as in the brief', () => {
  expect([2300, 100, 45_200, 47_600, 125_000, 3_725_000].map(duration)).toEqual([
    ...['2.3 s', '0.1 s', '45.2 s', '47.6 s', '2 m 05 s', '1 h 02 m'],
  ]);
});

test('what cannot be seen is written out', () => {
  expect(visible('a\u202eb\u0000\u200b')).toBe('a\\u{202e}b\\u{0}\\u{200b}');
});
