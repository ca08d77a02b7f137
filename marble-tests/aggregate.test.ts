import { expect, test } from '@jest/globals';
import { map } from 'rxjs';
import { TestScheduler } from 'rxjs/testing';
import { aggregate } from '../src/aggregate/aggregate.ts';
import { type AggregationOptions, createAggregation } from '../src/aggregate/aggregation.ts';
import { createRender } from '../src/aggregate/record.ts';
import { NO_COUNTERS } from '../src/context.ts';
import { createMessage, dataOf, type JsonObject, type Message } from '../src/message.ts';

const OPTIONS: AggregationOptions = { enabled: true, windowMs: 10, graceMs: 3, maxSeries: 2, emit: true };

function metric(
  id: string,
  atMs: number,
  receivedMs: number,
  data: JsonObject = {},
  type = 'metric',
): Message {
  const record = { source: 's', type, data: { name: 'n', value: 1, ...data } };
  return createMessage({
    id,
    source: 's',
    type,
    timeMs: atMs,
    receivedMs,
    traceId: '',
    spanId: '',
    jobId: '',
    seq: 0,
    severity: 0,
    head: JSON.stringify(record).slice(0, -1),
  });
}

/** Messages by their letters, windows as `name@start×count`. */
function expectMarbles(
  source: string,
  expected: string,
  messages: Record<string, Message>,
  windows: Record<string, string> = {},
  {
    options = { a: OPTIONS },
    when = '(a|)',
  }: { options?: Record<string, AggregationOptions>; when?: string } = {},
) {
  const scheduler = new TestScheduler((actual, wanted) => expect(actual).toEqual(wanted));
  let emitted = 0;
  const aggregation = createAggregation(options.a ?? OPTIONS);
  scheduler.run(({ cold, expectObservable }) => {
    const counters = { ...NO_COUNTERS, received: () => emitted++ };
    const shown = (message: Message) => {
      if (message.id !== 'window') return message.id;
      const { name, count } = dataOf(message);
      return `${name}@${message.timeMs}×${count}`;
    };
    const result$ = cold(source, messages).pipe(
      aggregate(
        aggregation,
        cold(when, options),
        createRender(() => 'window', { scheduler }),
        {
          scheduler,
          counters,
        },
      ),
      map(shown),
    );
    const letters = Object.fromEntries(Object.keys(messages).map((letter) => [letter, letter]));
    expectObservable(result$).toBe(expected, { ...letters, ...windows });
  });
  return { emitted, stats: aggregation.stats() };
}

test('windows are aligned to the epoch and close after their grace', () => {
  const { emitted } = expectMarbles(
    '--a-----b 20ms c--',
    '--a-----b 4ms x 15ms c 3ms y',
    { a: metric('a', 2, 2), b: metric('b', 9, 8), c: metric('c', 29, 29) },
    { x: 'n@0×2', y: 'n@20×1' },
  );
  expect(emitted).toBe(2);
});

test('a late value joins its window within the grace; a later one is only counted', () => {
  const { stats } = expectMarbles(
    '--a---------b 4ms c',
    '--a---------bx---c',
    { a: metric('a', 2, 2), b: metric('b', 9, 12), c: metric('c', 9, 17) },
    { x: 'n@0×2' },
  );
  expect(stats.late).toBe(1);
});

test('series beyond the cap are one, and its values are counted', () => {
  const { stats } = expectMarbles(
    '(abcd) 15ms -',
    '(abcd) 7ms (xyz)',
    {
      a: metric('a', 0, 0),
      b: metric('b', 0, 0, { tags: { to: 'x' } }),
      c: metric('c', 0, 0, { name: 'm' }),
      d: metric('d', 0, 0, { name: 'l' }),
    },
    { x: 'n@0×1', y: 'n@0×1', z: '_other@0×2' },
  );
  expect(stats).toEqual({ series: 2, late: 0, overflow: 2 });
});

test('completion closes what is open', () => {
  expectMarbles('--a--|', '--a--(x|)', { a: metric('a', 2, 2) }, { x: 'n@0×1' });
});

test('a reload keeps open windows, and closes those of another length', () => {
  expectMarbles(
    '--a---b--|',
    '--a-x-b--(y|)',
    { a: metric('a', 2, 2), b: metric('b', 6, 6) },
    { x: 'n@0×1', y: 'n@5×1' },
    { options: { a: OPTIONS, b: { ...OPTIONS, windowMs: 5 } }, when: 'a---b' },
  );
  expectMarbles(
    '--a---b--|',
    '--a---b--(x|)',
    { a: metric('a', 2, 2), b: metric('b', 6, 6) },
    { x: 'n@0×2' },
    { options: { a: OPTIONS, b: { ...OPTIONS, graceMs: 4 } }, when: 'a---b' },
  );
});

test('one window after the other closes without another message', () => {
  expectMarbles(
    '--a---------b 30ms -',
    '--a---------bx 9ms y',
    { a: metric('a', 2, 2), b: metric('b', 12, 12) },
    { x: 'n@0×1', y: 'n@10×1' },
  );
});

test('what a reload closes is emitted, or not, by the options before it', () => {
  const quiet = { ...OPTIONS, windowMs: 5, emit: false };
  expectMarbles(
    '--a---b--|',
    '--a-x-b--|',
    { a: metric('a', 2, 2), b: metric('b', 6, 6) },
    { x: 'n@0×1' },
    { options: { a: OPTIONS, b: quiet }, when: 'a---b' },
  );
  expectMarbles(
    '--a---b--|',
    '--a---b--(y|)',
    { a: metric('a', 2, 2), b: metric('b', 6, 6) },
    { y: 'n@5×1' },
    { options: { a: { ...OPTIONS, emit: false }, b: { ...OPTIONS, windowMs: 5 } }, when: 'a---b' },
  );
  expectMarbles(
    '--a---b--|',
    '--a-x-b--|',
    { a: metric('a', 2, 2), b: metric('b', 6, 6) },
    { x: 'n@0×1' },
    { options: { a: OPTIONS, b: { ...OPTIONS, enabled: false } }, when: 'a---b' },
  );
});

test('resource use and progress are series; other records, and windows of another sidecar, only pass', () => {
  expectMarbles(
    '(abcd)|',
    '(abcd)(xy|)',
    {
      a: metric('a', 0, 0, { cpu: 5, name: 'ignored' }, 'resource'),
      b: metric('b', 0, 0, { percent: 5, job_id: 'j' }, 'progress'),
      c: metric('c', 0, 0, {}, 'event'),
      d: metric('d', 0, 0, { kind: 'aggregate' }),
    },
    { x: 'resource.cpu@0×1', y: 'progress.percent@0×1' },
  );
});

test('nothing is emitted where it is not wanted, nor looked at where it is off', () => {
  const quiet = { options: { a: { ...OPTIONS, emit: false } } };
  expectMarbles('--a--|', '--a--|', { a: metric('a', 2, 2) }, {}, quiet);
  const off = { options: { a: { ...OPTIONS, enabled: false } } };
  expect(expectMarbles('--a--|', '--a--|', { a: metric('a', 2, 2) }, {}, off).stats.series).toBe(0);
});
