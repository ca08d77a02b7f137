import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { configOf, type LoadedConfig, type Recording, record } from '../../src/testing/index.ts';

const BACKENDS = ['one', 'two', 'three'];
const SOURCES = ['web', 'db', 'other'];

/** Random rules, at most one for each backend and source; the backends stay. */
const routing = fc.record(
  Object.fromEntries(
    SOURCES.map((source) => [
      source,
      fc.subarray(BACKENDS).chain((backends) =>
        fc.tuple(
          ...backends.map((backend) =>
            fc.record({
              backend: fc.constant(backend),
              enabled: fc.boolean(),
              when_full: fc.constantFrom('shed', 'block'),
              filter: fc.constantFrom(
                undefined,
                { types: ['event'] },
                { min_level: 'warn' },
                { sample: 0.5 },
              ),
              operators: fc.constantFrom(
                [],
                ['dedupe'],
                [{ use: 'rate-limit', rate: 5 }],
                ['redact', 'tail-sample'],
              ),
            }),
          ),
        ),
      ),
    ]),
  ),
);

const settings = fc.record({
  routing,
  batch: fc.record({
    max_age: fc.constantFrom('1ms', '20ms', '5s'),
    max_count: fc.constantFrom(1, 3, 100),
  }),
  retry: fc.constantFrom({ max_attempts: 2 }, {}),
  queue: fc.constantFrom({ max_bytes: '64KiB' }, {}),
});

const configFor = ({
  routing: rules,
  batch,
  retry,
  queue,
}: typeof settings extends fc.Arbitrary<infer T> ? T : never) =>
  configOf(
    JSON.stringify({
      batch,
      shutdown: { deadline: '3s' },
      reload: { drain: '1s' },
      routing: rules,
      backends: Object.fromEntries(
        BACKENDS.map((name) => [name, { type: 'filesystem', base_path: `/${name}`, retry, queue }]),
      ),
    }),
  );

const LETTERS = {
  a: { source: 'web' },
  b: { source: 'web', trace_id: '0af7651916cd43dd8448eb211c80319c' },
  c: { source: 'db', type: 'metric', data: { name: 'n', value: 1 } },
  d: { source: 'other', data: { level: 'warn', message: 'x'.repeat(2000) } },
  e: { source: 'db', data: { level: 'fatal', message: 'gone' } },
};

const behaviour = fc.constantFrom(
  '|',
  '3ms |',
  '-',
  '#',
  'X',
  ['#', 'T', '5ms #', '|'],
  { down: { from: '10ms', to: '200ms' } },
  { refuses: 'be', answers: '2ms |' },
);

const step = fc.constantFrom('a', 'b', 'c', 'd', 'e', '-', '---', ' 15ms ', ' 300ms ', ' 2s ', '(ace)');

const sorted = (names: readonly string[]) => [...names].sort().join('');

/** What was received, and by backend what had an outcome. */
const balanceOf = ({ received, ended }: Recording) => ({
  received: sorted(received.map(({ message }) => message)),
  ended: Object.fromEntries(
    BACKENDS.map((name) => [
      name,
      sorted(ended.filter(({ backend }) => backend === name).flatMap(({ messages }) => messages)),
    ]),
  ),
});

describe('conservation', () => {
  test('whatever is sent, reloaded and broken: every message has one outcome at every backend', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(settings, { minLength: 3, maxLength: 3 }),
        fc.array(step, { maxLength: 40 }),
        fc.array(fc.constantFrom('r', 's', '-', ' 20ms ', ' 500ms '), { maxLength: 6 }),
        fc.tuple(behaviour, behaviour, behaviour),
        fc.integer(),
        async (configs, steps, reloads, [one, two, three], seed) => {
          const [config, r, s] = (await Promise.all(configs.map(configFor))) as [
            LoadedConfig,
            LoadedConfig,
            LoadedConfig,
          ];
          const recording = await record({
            config,
            messages: LETTERS,
            in: `${steps.join('')} 5s |`,
            repeat: { d: 20 },
            reload: [reloads.join(''), { r, s }],
            backends: { one, two, three } as never,
            seed,
          });
          expect(recording.refused).toEqual([]);
          expect(recording.doneMs).toBeDefined();
          const { received, ended } = balanceOf(recording);
          expect(ended).toEqual(Object.fromEntries(BACKENDS.map((name) => [name, received])));
        },
      ),
      { numRuns: 1500 },
    );
  }, 550_000);

  test('what was delivered was sent, once at least and at most once where nothing fails', async () => {
    await fc.assert(
      fc.asyncProperty(
        settings,
        fc.array(step, { maxLength: 40 }),
        fc.integer(),
        async (first, steps, seed) => {
          const config = await configFor(first);
          const { sent, ended } = await record({
            config,
            messages: LETTERS,
            in: `${steps.join('')} 5s |`,
            seed,
          });
          for (const name of BACKENDS) {
            const delivered = ended.filter(
              ({ backend, ending }) => backend === name && ending === 'delivered',
            );
            const batches = sent.filter(({ backend }) => backend === name);
            expect(sorted(batches.flatMap(({ messages }) => messages))).toBe(
              sorted(delivered.flatMap(({ messages }) => messages)),
            );
          }
        },
      ),
      { numRuns: 700 },
    );
  }, 550_000);
});
