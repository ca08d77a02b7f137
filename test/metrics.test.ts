import { afterEach, describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { asyncScheduler, VirtualTimeScheduler } from 'rxjs';
import { type Ending, outcome } from '../src/deliver/outcome.ts';
import { createMessage, type Message } from '../src/message.ts';
import { createMetrics, type LaneGauge, type Metrics } from '../src/metrics.ts';
import { parseExposition, samplesOf, sumOf } from './prometheus.ts';

const opened: Metrics[] = [];
const metricsOf = (maxSources = 1000) => {
  const metrics = createMetrics({ version: '1.2.3', maxSources }, asyncScheduler);
  opened.push(metrics);
  return metrics;
};

afterEach(() => {
  for (const metrics of opened.splice(0)) metrics.close();
});

const message: Message = createMessage({
  id: '',
  source: 's',
  type: 'event',
  timeMs: 0,
  receivedMs: 0,
  traceId: '',
  spanId: '',
  jobId: '',
  seq: 0,
  severity: 0,
  head: '{',
  tail: '',
  parsed: {},
});
const messages = (count: number) => Array.from({ length: count }, () => message);
const end = (metrics: Metrics, ending: Ending, backend: string, reason: string, count: number) =>
  metrics.outcome(outcome(ending, backend, reason, messages(count)));
const lane = (backend: string, fields: Partial<LaneGauge> = {}): LaneGauge => ({
  backend,
  messages: 0,
  bytes: 0,
  oldestMs: 0,
  breaker: 'closed',
  ...fields,
});

describe('counts', () => {
  test('received, by source and type', async () => {
    const metrics = metricsOf();
    for (const type of ['event', 'metric', 'event', 'progress', 'resource', 'span', 'custom']) {
      metrics.received('a', type);
    }
    metrics.received('b', 'event');
    metrics.received('a', 'event');
    const samples = samplesOf(await metrics.text(), 'sidecar_received_total');
    expect(samples.map(({ labels, value }) => [labels.source, labels.type, value])).toEqual([
      ['a', 'event', 3],
      ['a', 'metric', 1],
      ['a', 'progress', 1],
      ['a', 'resource', 1],
      ['a', 'span', 1],
      ['a', 'custom', 1],
      ['b', 'event', 1],
    ]);
  });

  test('rejections, batches, operator failures, reloads and outcomes', async () => {
    const metrics = metricsOf();
    metrics.rejected('bad_json');
    metrics.rejected('bad_json');
    metrics.batched('count', 100);
    metrics.batched('age', 7);
    metrics.batched('count', 100);
    metrics.operatorFailed('pipelines/redact.ts');
    metrics.reloaded('applied');
    metrics.reloaded('rejected');
    metrics.reloaded('rejected');
    end(metrics, 'dead_lettered', 'db', 'permanent', 3);
    const text = await metrics.text();
    expect(sumOf(text, 'sidecar_rejected_total', { reason: 'bad_json' })).toBe(2);
    expect(sumOf(text, 'sidecar_batches_total', { reason: 'count' })).toBe(2);
    expect(sumOf(text, 'sidecar_batched_messages_total', { reason: 'count' })).toBe(200);
    expect(sumOf(text, 'sidecar_batched_messages_total')).toBe(207);
    expect(sumOf(text, 'sidecar_operator_errors_total', { file: 'pipelines/redact.ts' })).toBe(1);
    expect(sumOf(text, 'sidecar_reloads_total', { result: 'applied' })).toBe(1);
    expect(sumOf(text, 'sidecar_reloads_total', { result: 'rejected' })).toBe(2);
    const dead = { backend: 'db', outcome: 'dead_lettered', reason: 'permanent' };
    expect(sumOf(text, 'sidecar_outcomes_total', dead)).toBe(3);
    expect(sumOf(text, 'sidecar_build_info', { version: '1.2.3' })).toBe(1);
  });

  test('series known beforehand start at zero, so that a rate sees their first step', async () => {
    const metrics = metricsOf();
    metrics.planned(['files']);
    const text = await metrics.text();
    const labelled = (name: string, label: string) =>
      samplesOf(text, name).map(({ labels }) => labels[label]);
    expect(labelled('sidecar_batches_total', 'reason')).toEqual([
      'count',
      'age',
      'bytes',
      'critical',
      'flush',
    ]);
    expect(labelled('sidecar_reloads_total', 'result')).toEqual(['applied', 'rejected']);
    expect(samplesOf(text, 'sidecar_outcomes_total')).toEqual([
      {
        name: 'sidecar_outcomes_total',
        labels: { backend: 'files', outcome: 'delivered', reason: 'ok' },
        value: 0,
      },
    ]);
    expect(sumOf(text, 'sidecar_connections')).toBe(0);
  });

  test('two sidecars in one process count apart', async () => {
    const [one, two] = [metricsOf(), metricsOf()];
    one.received('a', 'event');
    expect(sumOf(await one.text(), 'sidecar_received_total')).toBe(1);
    expect(sumOf(await two.text(), 'sidecar_received_total')).toBe(0);
  });
});

describe('gauges', () => {
  test('lanes and connections are read at the scrape, and only then', async () => {
    const metrics = metricsOf();
    let reads = 0;
    metrics.watch({
      lanes: () => {
        reads++;
        return [
          lane('db', { messages: 5, bytes: 1300, oldestMs: 2500, breaker: 'open' }),
          lane('files', { breaker: 'half_open' }),
        ];
      },
    });
    metrics.watch({ connections: () => 42 });
    metrics.watch({ memory: () => ({ jobs: 3, traces: 4, messages: 70, evicted: 9 }) });
    for (let i = 0; i < 1000; i++) metrics.received('a', 'event');
    metrics.batched('count', 1000);
    expect(reads).toBe(0);
    const text = await metrics.text();
    expect(reads).toBeGreaterThan(0);
    expect(sumOf(text, 'sidecar_queue_bytes', { backend: 'db' })).toBe(1300);
    expect(sumOf(text, 'sidecar_oldest_seconds', { backend: 'db' })).toBe(2.5);
    expect(sumOf(text, 'sidecar_breaker_state', { backend: 'db' })).toBe(2);
    expect(sumOf(text, 'sidecar_breaker_state', { backend: 'files' })).toBe(1);
    expect(sumOf(text, 'sidecar_in_flight', { backend: 'db' })).toBe(5);
    expect(sumOf(text, 'sidecar_in_flight', { backend: 'files' })).toBe(0);
    expect(sumOf(text, 'sidecar_connections')).toBe(42);
    expect(samplesOf(text, 'sidecar_remembered').map(({ labels, value }) => [labels.what, value])).toEqual([
      ['jobs', 3],
      ['traces', 4],
      ['messages', 70],
    ]);
    expect(sumOf(text, 'sidecar_forgotten_total')).toBe(9);
  });

  test('what waits on disk is in flight, and what was found there balances it', async () => {
    const metrics = metricsOf();
    metrics.planned(['db']);
    const spool = { messages: 7, bytes: 900, pendingBytes: 100, recovered: 10 };
    metrics.watch({
      spools: () => [
        { backend: 'db', ...spool },
        { backend: 'gone', ...spool },
      ],
    });
    end(metrics, 'delivered', 'db', 'ok', 2);
    metrics.outcome({
      kind: 'outcome',
      ending: 'shed',
      backend: 'db',
      reason: 'spool_full',
      messages: [],
      unread: 1,
    });
    const text = await metrics.text();
    for (const backend of ['db', 'gone']) {
      expect(sumOf(text, 'sidecar_spool_messages', { backend })).toBe(7);
      expect(sumOf(text, 'sidecar_spool_bytes', { backend })).toBe(900);
      expect(sumOf(text, 'sidecar_spool_pending_bytes', { backend })).toBe(100);
      expect(sumOf(text, 'sidecar_recovered_total', { backend })).toBe(10);
    }
    expect(sumOf(text, 'sidecar_outcomes_total', { backend: 'db', reason: 'spool_full' })).toBe(1);
    expect(metrics.balances()).toEqual([
      { backend: 'db', received: 0, added: 0, recovered: 10, ended: 3, inFlight: 7, missing: 0 },
    ]);
  });

  test('two lanes of one backend show as one, with the newer breaker', async () => {
    const metrics = metricsOf();
    metrics.watch({
      lanes: () => [
        lane('db', { messages: 5, bytes: 50, oldestMs: 9000, breaker: 'open' }),
        lane('db', { messages: 1, bytes: 10, oldestMs: 100, breaker: 'closed' }),
      ],
    });
    const text = await metrics.text();
    expect(sumOf(text, 'sidecar_queue_bytes')).toBe(60);
    expect(sumOf(text, 'sidecar_oldest_seconds')).toBe(9);
    expect(sumOf(text, 'sidecar_breaker_state')).toBe(0);
    expect(sumOf(text, 'sidecar_in_flight')).toBe(6);
  });

  test('one scrape shows one moment: nothing that happens while it is written gets in', async () => {
    const metrics = metricsOf();
    metrics.planned(['db']);
    metrics.received('a', 'event');
    const text = metrics.text();
    metrics.received('a', 'event');
    metrics.batched('flush', 2);
    end(metrics, 'delivered', 'db', 'ok', 2);
    const written = await text;
    expect(sumOf(written, 'sidecar_received_total')).toBe(1);
    expect(sumOf(written, 'sidecar_outcomes_total')).toBe(0);
    expect(sumOf(written, 'sidecar_in_flight')).toBe(1);
  });

  test('a gauge that throws fails the scrape, not the next one', async () => {
    const metrics = metricsOf();
    metrics.watch({
      connections: () => {
        throw new Error('no listener');
      },
    });
    await expect(metrics.text()).rejects.toThrow('no listener');
    metrics.watch({ connections: () => 1 });
    expect(sumOf(await metrics.text(), 'sidecar_connections')).toBe(1);
  });
});

const tick = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

describe('process', () => {
  test('memory, CPU and heap have their usual names, and the lag of an idle loop is not the sampling interval', async () => {
    const metrics = metricsOf();
    const text = await metrics.text();
    expect(sumOf(text, 'process_resident_memory_bytes')).toBeGreaterThan(1e7);
    expect(sumOf(text, 'process_cpu_seconds_total')).toBeGreaterThan(0);
    expect(sumOf(text, 'nodejs_heap_size_used_bytes')).toBeGreaterThan(1e6);
    const lag = samplesOf(text, 'sidecar_event_loop_lag_seconds');
    expect(lag.map(({ labels }) => labels.quantile)).toEqual(['0.5', '0.9', '0.99', '1']);
    // Timers come every 20 ms; uncorrected, the median could never be below that.
    const median = async () =>
      sumOf(await metrics.text(), 'sidecar_event_loop_lag_seconds', { quantile: '0.5' });
    do await tick(60);
    while ((await median()) >= 0.02);
    expect(
      [...parseExposition(text).keys()].filter((name) => name.startsWith('nodejs_eventloop_lag')),
    ).toEqual([]);
  });

  test('a blocked loop shows as lag, until a later window', async () => {
    const scheduler = new VirtualTimeScheduler();
    const metrics = createMetrics({ version: '1' }, scheduler);
    opened.push(metrics);
    const worst = async () =>
      sumOf(await metrics.text(), 'sidecar_event_loop_lag_seconds', { quantile: '1' });
    await tick(60);
    const blockedFrom = performance.now();
    while (performance.now() - blockedFrom < 400);
    await tick(60);
    expect(await worst()).toBeGreaterThan(0.3);
    expect(await worst()).toBeGreaterThan(0.3);
    scheduler.frame += 10_000;
    expect(await worst()).toBeGreaterThan(0.3);
    // On a slow machine a later window may have a lag of its own.
    while ((await worst()) >= 0.3) scheduler.frame += 10_000;
  });
});

describe('cardinality', () => {
  test('10,000 sources make 1,000 series and _other', async () => {
    const metrics = metricsOf(1000);
    for (let i = 0; i < 10_000; i++) metrics.received(`source-${i}`, 'event');
    for (let i = 0; i < 10_000; i++) metrics.received(`source-${i}`, 'event');
    const text = await metrics.text();
    expect(samplesOf(text, 'sidecar_received_total')).toHaveLength(1001);
    expect(sumOf(text, 'sidecar_received_total', { source: 'source-0' })).toBe(2);
    expect(sumOf(text, 'sidecar_received_total', { source: 'source-999' })).toBe(2);
    expect(sumOf(text, 'sidecar_received_total', { source: '_other' })).toBe(18_000);
    expect(sumOf(text, 'sidecar_received_total')).toBe(20_000);
  });

  test('unknown types are capped over all sources, known ones are not', async () => {
    const metrics = metricsOf(10);
    for (let i = 0; i < 10_000; i++) metrics.received(`source-${i % 20}`, `type-${i}`);
    for (let i = 0; i < 20; i++) metrics.received(`source-${i}`, 'metric');
    const text = await metrics.text();
    expect(sumOf(text, 'sidecar_received_total')).toBe(10_020);
    expect(sumOf(text, 'sidecar_received_total', { type: 'metric' })).toBe(20);
    expect(sumOf(text, 'sidecar_received_total', { type: '_other' })).toBe(9990);
    // 10 admitted pairs, and 11 sources (one of them _other) with `_other` and `metric`
    expect(samplesOf(text, 'sidecar_received_total')).toHaveLength(10 + 11 + 11);
  });

  test('a source that calls itself _other and one that is too long share a series, never repeat one', async () => {
    const metrics = metricsOf(2);
    const long = 'x'.repeat(128);
    for (const source of ['_other', `${long}1`, `${long}2`, long, 'b', 'c'])
      metrics.received(source, '_other');
    const samples = samplesOf(await metrics.text(), 'sidecar_received_total');
    expect(samples.map(({ labels, value }) => [labels.source, value])).toEqual([
      [long, 3],
      ['b', 1],
      ['_other', 2],
    ]);
  });

  test('reasons and files are capped, and their sums stay right', async () => {
    const metrics = metricsOf();
    for (let i = 0; i < 3000; i++) end(metrics, 'filtered', 'db', `operator:${i}`, 1);
    for (let i = 0; i < 3000; i++) metrics.operatorFailed(`${i}.ts`);
    for (let i = 0; i < 3000; i++) metrics.rejected(`${i}`);
    const text = await metrics.text();
    for (const name of [
      'sidecar_outcomes_total',
      'sidecar_operator_errors_total',
      'sidecar_rejected_total',
    ]) {
      expect(samplesOf(text, name)).toHaveLength(1001);
      expect(sumOf(text, name)).toBe(3000);
    }
    const rest = { backend: 'db', outcome: 'filtered', reason: '_other' };
    expect(sumOf(text, 'sidecar_outcomes_total', rest)).toBe(2000);
  });
});

describe('hostile labels', () => {
  const HOSTILE = [
    'a"} 1\nsidecar_received_total{source="forged",type="event"} 999',
    'back\\slash\\',
    'quote"',
    'newline\n',
    'return\r\n# TYPE x counter',
    'nul\0',
    '\u202eright-to-left',
    '\ud800lone',
    'comma,type:event',
    '{}',
    '__proto__',
    'constructor',
    'emoji 🛰',
    '',
  ];

  test('cannot forge a line', async () => {
    const metrics = metricsOf();
    for (const value of HOSTILE) {
      metrics.received(value, value);
      metrics.rejected(value);
      metrics.operatorFailed(value);
      end(metrics, 'shed', value, value, 1);
    }
    const text = await metrics.text();
    const sources = samplesOf(text, 'sidecar_received_total').map(({ labels }) => labels.source);
    expect(sources).toHaveLength(HOSTILE.length);
    expect(sources).toContain('a"} 1\ufffdsidecar_received_total{source="forged",type="event"} 999');
    expect(sources).toContain('back\\slash\\');
    expect(sources).toContain('\ufffdright-to-left');
    expect(sources).toContain('\ufffdlone');
    expect(sources).toContain('emoji 🛰');
    expect(sumOf(text, 'sidecar_received_total')).toBe(HOSTILE.length);
    expect(sumOf(text, 'sidecar_received_total', { source: 'forged' })).toBe(0);
  });

  test('labels that join to the same text stay two series', async () => {
    const metrics = metricsOf();
    end(metrics, 'shed', 'db', 'a,outcome:shed', 1);
    end(metrics, 'shed', 'db,outcome:shed', 'a', 2);
    metrics.received('a,type:b', 'c');
    metrics.received('a', 'b,type:c');
    const text = await metrics.text();
    expect(samplesOf(text, 'sidecar_outcomes_total').map(({ value }) => value)).toEqual([1, 2]);
    expect(samplesOf(text, 'sidecar_received_total')).toHaveLength(2);
  });

  test('any string is one valid label of at most 128 characters', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(fc.string({ unit: 'binary', maxLength: 300 })), async (values) => {
        const metrics = metricsOf();
        for (const value of values) metrics.received(value, value);
        const text = Buffer.from(await metrics.text()).toString();
        const samples = samplesOf(text, 'sidecar_received_total');
        for (const { labels } of samples) expect(labels.source!.length).toBeLessThanOrEqual(128);
        expect(sumOf(text, 'sidecar_received_total')).toBe(values.length);
      }),
      { numRuns: 50 },
    );
  });
});

/** A sidecar reduced to who has which messages. */
function createModel(metrics: Metrics) {
  let open = 0;
  let plan: string[] = [];
  const lanes = new Map<string, number>();
  const held = new Map<string, number>();
  const move = (from: Map<string, number>, backend: string, count: number) => {
    const there = from.get(backend) ?? 0;
    const moved = Math.min(there, count);
    if (moved > 0) from.set(backend, there - moved);
    return moved;
  };
  const give = (to: Map<string, number>, backend: string, count: number) =>
    to.set(backend, (to.get(backend) ?? 0) + count);
  metrics.watch({
    held: () => held,
    lanes: () => Array.from(lanes, ([backend, count]) => lane(backend, { messages: count })),
  });
  const route = (backend: string, count: number, where: number) => {
    if (where === 0) end(metrics, 'filtered', backend, 'not_routed', count);
    else if (where === 1) give(held, backend, count);
    else give(lanes, backend, count);
    if (where !== 3) return;
    metrics.added(backend, count);
    give(lanes, backend, count);
  };
  const settled = (backend: string, ending: Ending, count: number) => {
    if (count > 0) end(metrics, ending, backend, 'some', count);
  };
  return {
    receive: (count: number) => {
      for (let i = 0; i < count; i++) metrics.received(`source-${i % 3}`, 'event');
      open += count;
    },
    close: (count: number, where: number) => {
      const closed = Math.min(open, count);
      if (closed === 0 || plan.length === 0) return;
      open -= closed;
      metrics.batched('count', closed);
      for (const backend of plan) route(backend, closed, where);
    },
    release: (backend: string, count: number) => {
      const released = move(held, backend, count);
      if (released > 0) give(lanes, backend, released);
    },
    settle: (backend: string, count: number, ending: Ending) =>
      settled(backend, ending, move(lanes, backend, count)),
    replan: (backends: string[]) => {
      plan = backends;
      metrics.planned(backends);
    },
    lose: (backend: string) => move(lanes, backend, 1),
  };
}

const BACKENDS = ['db', 'files', 'cloud'];
const backend = fc.constantFrom(...BACKENDS);
const count = fc.integer({ min: 1, max: 20 });
const step = fc.oneof(
  fc.record({ do: fc.constant('receive' as const), count }),
  fc.record({ do: fc.constant('close' as const), count, where: fc.integer({ min: 0, max: 3 }) }),
  fc.record({ do: fc.constant('release' as const), backend, count }),
  fc.record({
    do: fc.constant('settle' as const),
    backend,
    count,
    ending: fc.constantFrom<Ending>('delivered', 'filtered', 'shed', 'dead_lettered'),
  }),
  fc.record({ do: fc.constant('replan' as const), backends: fc.subarray(BACKENDS) }),
);

type Step = typeof step extends fc.Arbitrary<infer T> ? T : never;

function take(model: ReturnType<typeof createModel>, taken: Step): void {
  if (taken.do === 'receive') model.receive(taken.count);
  else if (taken.do === 'close') model.close(taken.count, taken.where);
  else if (taken.do === 'release') model.release(taken.backend, taken.count);
  else if (taken.do === 'settle') model.settle(taken.backend, taken.count, taken.ending);
  else model.replan(taken.backends);
}

describe('conservation', () => {
  const exposedBalance = async (metrics: Metrics, backend: string) => {
    const text = await metrics.text();
    const sum = (name: string) => sumOf(text, name, { backend });
    const ended = sum('sidecar_outcomes_total');
    return (
      sumOf(text, 'sidecar_received_total') + sum('sidecar_added_total') - ended - sum('sidecar_in_flight')
    );
  };

  test('received + added = outcomes + in flight, for every backend, over any reloads', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.subarray(BACKENDS, { minLength: 1 }),
        fc.array(step, { maxLength: 60 }),
        async (first, steps) => {
          const metrics = metricsOf();
          const model = createModel(metrics);
          model.receive(5);
          model.replan(first);
          for (const taken of steps) {
            take(model, taken);
            for (const balance of metrics.balances()) expect(balance).toMatchObject({ missing: 0 });
          }
          for (const { backend } of metrics.balances())
            expect(await exposedBalance(metrics, backend)).toBe(0);
        },
      ),
      { numRuns: 100 },
    );
  });

  test('a lost message is missing, in the balance and in the exposition', async () => {
    const metrics = metricsOf();
    const model = createModel(metrics);
    model.replan(['db', 'files']);
    model.receive(10);
    model.close(10, 2);
    model.lose('db');
    expect(metrics.balances()).toEqual([
      { backend: 'db', received: 10, added: 0, recovered: 0, ended: 0, inFlight: 9, missing: 1 },
      { backend: 'files', received: 10, added: 0, recovered: 0, ended: 0, inFlight: 10, missing: 0 },
    ]);
    expect(await exposedBalance(metrics, 'db')).toBe(1);
  });

  test('messages of batches that closed without a backend count as not configured', async () => {
    const metrics = metricsOf();
    const model = createModel(metrics);
    const closeTen = () => {
      model.receive(10);
      model.close(10, 0);
    };
    model.replan(['db']);
    closeTen();
    model.replan(['db', 'files']);
    closeTen();
    model.replan(['db']);
    closeTen();
    const missed = async () =>
      sumOf(await metrics.text(), 'sidecar_outcomes_total', { backend: 'files', reason: 'not_configured' });
    expect(await missed()).toBe(20);
    model.replan(['files']);
    closeTen();
    expect(await missed()).toBe(20);
    expect(metrics.balances().map(({ missing }) => missing)).toEqual([0, 0]);
  });

  test('the first plan also took what closed before it', () => {
    const metrics = metricsOf();
    metrics.received('a', 'event');
    metrics.batched('critical', 1);
    metrics.planned(['db']);
    end(metrics, 'delivered', 'db', 'ok', 1);
    expect(metrics.balances()).toEqual([
      { backend: 'db', received: 1, added: 0, recovered: 0, ended: 1, inFlight: 0, missing: 0 },
    ]);
  });

  test('the equation is in the help of each of its metrics', async () => {
    const families = parseExposition(await metricsOf().text());
    const equation =
      'sum(sidecar_received_total) + sidecar_added_total + sidecar_recovered_total = sum(sidecar_outcomes_total) + sidecar_in_flight';
    for (const name of ['received_total', 'added_total', 'recovered_total', 'outcomes_total', 'in_flight']) {
      expect(families.get(`sidecar_${name}`)?.help).toContain(equation);
    }
  });
});

test('cost of received(), for the record', () => {
  const metrics = metricsOf();
  const types = ['event', 'metric', 'progress', 'resource', 'span'];
  const cost = (run: number, names: string[]) => {
    const sources = Array.from({ length: 100_000 }, (_, i) => names[Math.floor(i / run) % names.length]!);
    const started = performance.now();
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < sources.length; i++) metrics.received(sources[i]!, types[i % 5]!);
    }
    return (((performance.now() - started) * 1e6) / 20 / sources.length).toFixed(1);
  };
  const names = Array.from({ length: 1000 }, (_, i) => `service-${i}`);
  cost(1, names);
  const [runs, four, many] = [cost(250, names), cost(1, names.slice(0, 4)), cost(1, names)];
  console.log(
    `received(): ${runs} ns in runs of a source, ${four} ns alternating 4, ${many} ns alternating 1,000`,
  );
  expect(metrics.balances()).toEqual([]);
});
