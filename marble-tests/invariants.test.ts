// The invariants of the architecture, as far as the flow without sockets shows them, by the helper that users have.
// Not here: 6 (encode once) and 11 (only what is used is loaded), which no diagram shows.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import {
  configOf,
  type LoadOptions,
  type MarbleTest,
  prove,
  type Recording,
  record,
} from 'monitoring-sidecar/testing';

const BRIEF = 'config/sidecar-config.yaml';

/** The use case's services. */
const MESSAGES = {
  e: { source: 'queue-service', data: { level: 'info', message: 'dequeued', job_id: 'job-12345' } },
  m: { source: 'queue-service', type: 'metric', data: { name: 'jobs_processed', value: 1 } },
  p: { source: 'queue-service', type: 'progress', data: { job_id: 'job-12345', percent: 50 } },
  c: { source: 'config-service' },
  f: { source: 'file-receiver' },
  x: { source: 'queue-service', data: { level: 'fatal', message: 'gone' } },
};

const YAML = `
batch: { max_age: 100ms }
shutdown: { deadline: 1s }
routing:
  all: [{ backend: main }, { backend: side }]
backends:
  main: { type: filesystem, base_path: /main }
  side: { type: filesystem, base_path: /side }
`;

const load = (set: LoadOptions['set'] = {}) => configOf(YAML, { set });

/** All that became of messages at a backend: `ending reason` → names, sorted. */
function outcomesOf({ ended }: Recording, backend: string): Record<string, string> {
  const names: Record<string, string[]> = {};
  for (const { ending, reason, messages } of ended.filter((one) => one.backend === backend)) {
    const key = `${ending} ${reason}`;
    names[key] = [...(names[key] ?? []), ...messages];
  }
  return Object.fromEntries(Object.entries(names).map(([key, list]) => [key, list.sort().join('')]));
}

const sendsOf = ({ sent }: Recording, backend: string) =>
  sent.filter((one) => one.backend === backend).map(({ ms, messages }) => `${ms} ${messages.join('')}`);

const folder = mkdtempSync(join(tmpdir(), 'sidecar-invariants-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('1. conservation', () => {
  test('every message has one outcome at every backend: delivered, filtered, shed or dead-lettered', async () => {
    const happened = await record({
      config: BRIEF,
      messages: MESSAGES,
      in: '(emp)-(cf)-x 5s e-p |',
      backends: { timescaledb: { refuses: 'm' }, 'nfs-file': '-', s3: ['#', '|'] },
    });
    expect(happened.received.map(({ message }) => message).join('')).toBe('empcfxep');
    expect(outcomesOf(happened, 'timescaledb')).toEqual({
      'filtered filter': 'pp',
      'filtered not_routed': 'cf',
      'delivered ok': 'eex',
      'dead_lettered permanent': 'm',
    });
    expect(outcomesOf(happened, 'nfs-file')).toEqual({
      'filtered filter': 'mpp',
      'filtered not_routed': 'cf',
      'shed shutdown': 'eex',
    });
    expect(outcomesOf(happened, 's3')).toEqual({ 'filtered not_routed': 'eefmppx', 'delivered ok': 'c' });
    expect(outcomesOf(happened, 'cloudwatch')).toEqual({
      'filtered not_routed': 'ceemppx',
      'delivered ok': 'f',
    });
  });
});

describe('2. a slow, dead or throttled backend never slows another', () => {
  const test_ = { messages: MESSAGES, in: 'e-f 150ms m-x 2s c 3s |' };

  test.each([
    ['slow', '800ms |'],
    ['dead', '#'],
    ['black hole', '-'],
    ['throttled', { answers: 'T', throttle: '700ms' }],
    ['refuses everything', 'X'],
    ['down for a while', { down: { from: '50ms', to: '1s', answer: '-' } }],
  ] as const)('%s', async (_, main) => {
    const config = await load();
    const well = await record({ ...test_, config });
    const ill = await record({ ...test_, config, backends: { main } as MarbleTest['backends'] });
    expect(sendsOf(well, 'side')).toEqual(['100 e', '102 f', '155 mx', '2256 c']);
    expect(sendsOf(ill, 'side')).toEqual(sendsOf(well, 'side'));
    expect(ill.received).toEqual(well.received);
    expect(sendsOf(ill, 'main')).not.toEqual(sendsOf(well, 'main'));
  });

  test('at its bound it sheds, the least important first; a critical message never', async () => {
    const padding = 'x'.repeat(5_000);
    const big = (type: string, level?: string) => ({
      source: 's',
      type,
      data: { padding, ...(level && { level }) },
    });
    const happened = await record({
      config: await load({ 'backends.main.queue.max_bytes': '64KiB', 'batch.max_count': 1 }),
      messages: {
        p: big('progress'),
        r: big('resource'),
        m: big('metric'),
        s: big('span'),
        e: big('event', 'info'),
        x: big('event', 'fatal'),
      },
      in: '(ppprrrmmmssseeexxx) 20s |',
      backends: { main: '-' },
    });
    const order = happened.ended
      .filter(({ reason }) => reason === 'queue_full')
      .flatMap(({ messages }) => messages);
    // The first is being sent.
    expect(order.join('')).toBe('pprrrm');
    expect(outcomesOf(happened, 'main')['shed shutdown']).toBe('eeemmpsssxxx');
    expect(outcomesOf(happened, 'side')).toEqual({ 'delivered ok': 'eeemmmppprrrsssxxx' });
  });

  test('a rule that blocks holds up its clients instead, until the backend answers again', async () => {
    const happened = await record({
      config: await load({ 'backends.main.queue.max_bytes': '64KiB', 'routing.all[0].when_full': 'block' }),
      messages: MESSAGES,
      in: 'e 60s |',
      repeat: { e: 800 },
      backends: { main: { down: { from: '0s', to: '20s' } } },
    });
    expect(happened.received.filter(({ ms }) => ms === 0).length).toBeLessThan(400);
    expect(outcomesOf(happened, 'main')).toEqual({ 'delivered ok': 'e'.repeat(800) });
    expect(outcomesOf(happened, 'side')).toEqual({ 'delivered ok': 'e'.repeat(800) });
  });
});

describe('3. a reload loses, duplicates and disconnects nothing', () => {
  test("the brief's runtime change: a rule is added while data flows", async () => {
    await prove({
      config: BRIEF,
      messages: MESSAGES,
      in: '(em) 4s (em) 5s (em) 5s |',
      reload: [
        '4500ms r',
        {
          r: {
            'routing.queue-service[2]': { backend: 'cloudwatch', config: { log_group: '/app/monitoring' } },
          },
        },
      ],
      out: {
        timescaledb: ['5s x 9007ms y', { x: 'emem', y: 'em' }],
        'nfs-file': ['5s x 9007ms y', { x: 'ee', y: 'e' }],
        cloudwatch: ['5s x 9007ms y', { x: 'emem', y: 'em' }],
      },
    });
  });

  test('a bad edit keeps the running rules and says file, line, column and why', async () => {
    const path = join(folder, 'bad.yaml');
    writeFileSync(path, YAML.replace('{ backend: side }', '{ backend: sied }'));
    await prove({
      config: await load(),
      messages: MESSAGES,
      in: 'e 200ms |',
      reload: ['50ms r', { r: path }],
      reload_results: {
        r: { rejected: `${path}:5:39 routing.all[1].backend: unknown backend "sied"; did you mean "side"?` },
      },
      out: { main: '100ms e', side: '100ms e' },
    });
  });

  test('what was not edited is not touched: a send in flight, a retry, a pause', async () => {
    const test_ = { config: await load(), messages: MESSAGES, in: 'x 1s x 4s |' };
    const reload: MarbleTest['reload'] = [
      '30ms r 500ms s 900ms r',
      { r: { 'batch.max_count': 7 }, s: { 'batch.max_count': 8 } },
    ];
    for (const main of ['80ms |', ['70ms #', '|'], { answers: ['T', '|'], throttle: '900ms' }]) {
      const calm = await record({ ...test_, backends: { main } });
      const edited = await record({ ...test_, backends: { main }, reload });
      expect(edited.reloads.map(({ result }) => result)).toEqual(['applied', 'applied', 'applied']);
      expect(edited.sent).toEqual(calm.sent);
      expect(edited.ended).toEqual(calm.ended);
    }
  });

  test('a backend that is edited or removed delivers what it holds', async () => {
    const removed = YAML.replace(', { backend: side }', '').replace(/ {2}side: .*\n/, '');
    const happened = await record({
      config: await load(),
      messages: MESSAGES,
      in: 'x 500ms x 1s |',
      reload: ['10ms r', { r: removed }],
      backends: { side: '300ms |' },
    });
    expect(happened.reloads).toMatchObject([{ result: 'applied' }]);
    expect(outcomesOf(happened, 'side')).toEqual({ 'delivered ok': 'x' });
    expect(outcomesOf(happened, 'main')).toEqual({ 'delivered ok': 'xx' });
  });

  test('an open batch goes on, by the limits in force', async () => {
    await prove({
      config: await load(),
      messages: MESSAGES,
      in: 'e-e 300ms |',
      reload: ['50ms r', { r: { 'batch.max_age': '200ms' } }],
      out: { main: ['200ms x', { x: 'ee' }], side: ['200ms x', { x: 'ee' }] },
    });
  });

  test('an operator keeps what it knows and what it holds', async () => {
    const operators = [{ use: 'dedupe', window: '10s' }];
    const happened = await record({
      config: await load({ 'routing.all[0].operators': operators }),
      messages: MESSAGES,
      in: 'c 500ms c 1s |',
      reload: ['200ms r', { r: { 'routing.all[1].priority': 7 } }],
    });
    expect(happened.reloads).toMatchObject([{ result: 'applied' }]);
    expect(outcomesOf(happened, 'main')).toEqual({ 'delivered ok': 'c', 'filtered operator:dedupe': 'c' });
    expect(outcomesOf(happened, 'side')).toEqual({ 'delivered ok': 'cc' });
  });

  test('a hundred reloads while messages flow', async () => {
    const flow = { config: await load(), messages: MESSAGES, in: `${'(ecfm) 7ms '.repeat(100)} 1s |` };
    const reload: MarbleTest['reload'] = [
      'r 11ms s 13ms b '.repeat(34),
      {
        r: { 'batch.max_count': 3, 'routing.all[1].filter': { types: ['event'] } },
        s: { 'backends.side.base_path': '/elsewhere' },
        b: { 'routing.all[1].backend': 'nowhere' },
      },
    ];
    const happened = await record({ ...flow, reload });
    expect(happened.reloads).toHaveLength(102);
    const all = 'c'.repeat(100) + 'e'.repeat(100) + 'f'.repeat(100) + 'm'.repeat(100);
    expect(outcomesOf(happened, 'main')).toEqual({ 'delivered ok': all });
    const side = outcomesOf(happened, 'side');
    expect([...Object.values(side).join('')].sort().join('')).toBe(all);
    expect(new Set(Object.keys(side))).toEqual(new Set(['delivered ok', 'filtered filter']));
  });
});

describe('4. the message stream never errors, and completes at shutdown alone', () => {
  const withOperator = (code: string) => {
    const pipelines = mkdtempSync(join(folder, 'pipelines-'));
    writeFileSync(join(pipelines, 'own.ts'), code);
    return load({ pipelines, 'routing.all[0].operators': ['own'] });
  };

  test.each([
    ['throws', 'tap((message) => { if (message.type === "metric") throw new Error("no"); })', 'm'],
    [
      'errors',
      'mergeMap((message) => message.type === "metric" ? throwError(() => new Error("no")) : of(message))',
      'm',
    ],
    ['emits nonsense', 'map((message) => message.type === "metric" ? 5 : message)', 'm'],
  ])('an operator that %s costs its message; the others flow', async (_, operator, lost) => {
    const config = await withOperator(`
      import { map, mergeMap, of, tap, throwError } from 'rxjs';
      export default () => (message$) => message$.pipe(${operator});
    `);
    const happened = await record({ config, messages: MESSAGES, in: 'e 150ms m 150ms c 1s |' });
    expect(outcomesOf(happened, 'main')['delivered ok']).toBe('ce');
    const others = Object.entries(outcomesOf(happened, 'main')).filter(([key]) => key !== 'delivered ok');
    expect(others.map(([, names]) => names)).toEqual([lost]);
    expect(outcomesOf(happened, 'side')).toEqual({ 'delivered ok': 'cem' });
  });

  test('an operator that ends costs its rule; the other rules flow', async () => {
    const config = await withOperator(`
      import { takeWhile } from 'rxjs';
      export default () => (message$) => message$.pipe(takeWhile((message) => message.type !== 'metric'));
    `);
    const happened = await record({ config, messages: MESSAGES, in: 'e 150ms m 150ms c 1s |' });
    expect(outcomesOf(happened, 'main')).toEqual({
      'delivered ok': 'e',
      'filtered operator_ended:own': 'cm',
    });
    expect(outcomesOf(happened, 'side')).toEqual({ 'delivered ok': 'cem' });
    expect(happened.log).toEqual([expect.stringContaining('own.ts completed while its input goes on')]);
  });

  test("a record that is refused costs itself alone; its client's others are taken", async () => {
    const happened = await record({
      config: await load(),
      messages: { ...MESSAGES, b: { source: 'queue-service', type: 5 } },
      in: 'ebe 1s |',
    });
    expect(happened.refused).toEqual([{ ms: 1, message: 'b', reason: 'schema' }]);
    expect(outcomesOf(happened, 'main')).toEqual({ 'delivered ok': 'ee' });
  });

  test('every ending of a send stays in its lane', async () => {
    for (const answer of ['#', 'X', 'T', '-']) {
      const happened = await record({
        config: await load(),
        messages: MESSAGES,
        in: 'x 1s x 1s |',
        backends: { main: answer },
      });
      expect(outcomesOf(happened, 'side')).toEqual({ 'delivered ok': 'xx' });
      expect(happened.doneMs).toBeDefined();
    }
  });
});

describe('5. everything that holds messages is bounded', () => {
  test('a batch by count, by bytes and by age', async () => {
    const count = { 'batch.max_count': 3, 'batch.max_age': '1m' };
    await prove({
      config: await load({ ...count, 'routing.all': [{ backend: 'main' }] }),
      messages: MESSAGES,
      in: 'e-e-e-e |',
      out: { main: ['----x--e', { x: 'eee' }] },
    });
    const bytes = { 'batch.max_bytes': '1KiB', 'batch.max_age': '1m', 'routing.all': [{ backend: 'main' }] };
    await prove({
      config: await load(bytes),
      messages: { d: { source: 's', data: { text: 'x'.repeat(500) } } },
      in: 'd-d-d |',
      out: { main: ['--x--d', { x: 'dd' }] },
    });
  });

  test('a queue by bytes: what is beyond is shed and counted', async () => {
    const config = await load({ 'backends.main.queue.max_bytes': '64KiB' });
    const flood = {
      config,
      messages: MESSAGES,
      in: 'e 200ms e 5s |',
      repeat: { e: 2000 },
      backends: { main: '-' },
    };
    const happened = await record(flood);
    const { 'shed queue_full': shed = '', 'shed shutdown': rest = '' } = outcomesOf(happened, 'main');
    expect(shed.length + rest.length).toBe(4000);
    expect(rest.length).toBeLessThan(65_536 / 200);
    expect(outcomesOf(happened, 'side')['delivered ok']).toHaveLength(4000);
  });

  test('the retries of a batch, where the configuration says so', async () => {
    await prove({
      config: await load({ 'backends.main.retry.max_attempts': 3, 'routing.all': [{ backend: 'main' }] }),
      messages: MESSAGES,
      in: 'x 1s |',
      backends: { main: '#' },
      out: { main: 'x 99ms x 199ms x' },
      dead_letters: { main: ['300ms y', { y: { messages: 'x', reason: 'retries_exhausted' } }] },
    });
  });
});

describe('7. time is injected', () => {
  test('a day passes in no time, and every run is the same', async () => {
    const config = await load({ 'batch.max_age': '1d' });
    const test_ = {
      config,
      messages: MESSAGES,
      in: 'e 1440m c |',
      seed: 5,
      backends: { main: ['#', '#', '|'] },
    };
    const first = await record(test_);
    expect(first.sent[0]?.ms).toBe(86_400_000);
    expect(await record(test_)).toEqual(first);
  });

  test('timeouts, backoff and the breaker are diagrams', async () => {
    await prove({
      config: await load({
        'backends.main.timeout': '2s',
        'backends.main.breaker': { failures: 2, reset_after: '5s' },
        'routing.all': [{ backend: 'main' }],
      }),
      messages: MESSAGES,
      in: 'x 20s |',
      backends: { main: ['-', '-', '-', '|'] },
      out: { main: 'x 2099ms x 6999ms x 6999ms x' },
    });
  });
});

describe('8. field values are hostile', () => {
  test.each([
    ['../../etc/passwd', '/main/%2E%2E%2F.%2E%2Fetc%2Fpasswd.jsonl'],
    ['..', '/main/%2E%2E.jsonl'],
    ['/etc/passwd', '/main/%2Fetc%2Fpasswd.jsonl'],
    ['__proto__', '/main/__proto__.jsonl'],
    ['constructor', '/main/constructor.jsonl'],
    ['default', '/main/default.jsonl'],
  ])('a source %j stays in its folder', async (source, target) => {
    const { sent } = await record({ config: await load(), messages: { h: { source } }, in: 'h 1s |' });
    expect(sent.map((one) => one.target)).toEqual([target, target.replace('/main/', '/side/')]);
  });

  test('sources that differ do not share a file', async () => {
    const sources = ['a/b', 'a%2Fb', 'a_b', 'A/b', 'a\\b', 'a b'];
    const messages = Object.fromEntries(sources.map((source, index) => [String(index), { source }]));
    const { sent } = await record({ config: await load(), messages, in: '(012345) 1s |' });
    expect(new Set(sent.map(({ target }) => target)).size).toBe(2 * sources.length);
  });
});

describe('9. shutdown is completion from the top', () => {
  test('open batches, what operators hold and what waits is delivered', async () => {
    await prove({
      config: await load({
        'routing.all': [
          { backend: 'main', operators: [{ use: 'tail-sample', sample: 0 }] },
          { backend: 'side' },
        ],
      }),
      messages: {
        s: {
          source: 'a',
          type: 'span',
          trace_id: 'a'.repeat(32),
          span_id: 'b'.repeat(16),
          data: { phase: 'start' },
        },
        ...MESSAGES,
      },
      in: 's-e |',
      backends: { side: '20ms |' },
      out: { main: '---(es)', side: '---(se)' },
      delivered: { side: ['23ms x', { x: 'se' }] },
    });
  });

  test('what the deadline cuts off is counted, and the deadline holds', async () => {
    const happened = await record({
      config: await load(),
      messages: MESSAGES,
      in: 'x-c |',
      backends: { main: '-', side: ['900ms |'] },
    });
    expect(outcomesOf(happened, 'main')).toEqual({ 'shed shutdown': 'cx' });
    expect(outcomesOf(happened, 'side')).toEqual({ 'delivered ok': 'cx' });
    expect(happened.doneMs).toBe(1003);
  });

  test('a backend that is known to be dead is tried once more, and not waited for', async () => {
    const happened = await record({
      config: await load(),
      messages: MESSAGES,
      in: 'x 5s |',
      backends: { main: '#' },
    });
    expect(outcomesOf(happened, 'main')).toEqual({ 'shed shutdown': 'x' });
    expect(sendsOf(happened, 'main').at(-1)).toBe('5001 x');
    expect(happened.doneMs).toBe(5001);
  });
});

describe('10. the flow may run in several processes at once', () => {
  test('messages that are dealt out to two are delivered as one would', async () => {
    const config = await load();
    const one = await record({ config, messages: MESSAGES, in: '(ec)-(fm)-(pe)-(cf) 1s |' });
    const first = await record({ config, messages: MESSAGES, in: '(ec)-(fm)-------------- 1s |' });
    const second = await record({ config, messages: MESSAGES, in: '----------(pe)-(cf) 1s |' });
    for (const backend of ['main', 'side']) {
      const together = [first, second].map((run) => outcomesOf(run, backend)['delivered ok']).join('');
      expect([...together].sort().join('')).toBe(outcomesOf(one, backend)['delivered ok']);
    }
  });
});
