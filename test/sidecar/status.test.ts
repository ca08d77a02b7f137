import { describe, expect, test } from '@jest/globals';
import type { LaneStats } from '../../src/deliver/lane.ts';
import { configView, laneGauge, readiness, type State } from '../../src/sidecar/status.ts';
import { routing } from '../route/planned.ts';

const stats = (breaker: LaneStats['breaker']): LaneStats => ({
  inFlightMessages: 1,
  inFlightBatches: 1,
  queueBytes: 2,
  queueMaxBytes: 10,
  oldestMs: 3,
  breaker,
  nextProbeMs: 0,
  offered: 0,
  sent: 0,
  retries: 0,
  abandoned: 0,
  lastError: 'refused',
  lastErrorMs: 1,
  buriedAgoMs: Number.POSITIVE_INFINITY,
  buriedError: 'bad value',
  stuck: undefined,
});
const state = (over: Partial<State> = {}): State => ({
  phase: 'running',
  draft: { config: routing({ s: [{ backend: 'a' }] }), hash: 'h', warnings: [], operators: new Map() },
  loaded: '2026-01-02T03:04:05.678Z',
  lastReload: null,
  ...over,
});
const lanes = (...breakers: readonly LaneStats['breaker'][]) =>
  new Map(breakers.map((breaker, n) => ['abc'[n] ?? '', stats(breaker)]));

describe('a sidecar', () => {
  test('is ready when it runs', () => {
    expect(readiness(state(), lanes('closed'), [])).toEqual({ ready: true, reasons: [], warnings: [] });
    expect(readiness(state(), lanes(), []).ready).toBe(true);
  });

  test.each(['starting', 'stopping'] as const)('is not while it is %s', (phase) => {
    expect(readiness(state({ phase }), lanes('closed'), [])).toMatchObject({
      ready: false,
      reasons: [`the sidecar is ${phase}`],
    });
  });

  test('is as long as one backend answers, and warns of the others', () => {
    expect(readiness(state(), lanes('open', 'closed'), [])).toEqual({
      ready: true,
      reasons: [],
      warnings: ['backend a fails: refused'],
    });
    expect(readiness(state(), lanes('open', 'half-open'), [])).toMatchObject({
      ready: false,
      reasons: ['no backend answers'],
    });
  });

  test('warns of an open port and of an edit that was rejected', () => {
    const lastReload = { time: '', result: 'rejected' as const, errors: ['x'] };
    expect(readiness(state({ lastReload }), lanes('closed'), ['0.0.0.0:1']).warnings).toEqual([
      'everyone who reaches 0.0.0.0:1 may send',
      'the configuration on disk was rejected',
    ]);
  });

  test('warns for a minute of a backend that refuses messages, whether or not it answers now', () => {
    const refusing = (buriedAgoMs: number, breaker: LaneStats['breaker'] = 'closed') =>
      new Map([['a', { ...stats(breaker), buriedAgoMs }]]);
    expect(readiness(state(), refusing(1, 'open'), []).warnings).toEqual([
      'backend a fails: refused',
      'backend a refused messages, which are dead letters now: bad value',
    ]);
    expect(readiness(state(), refusing(59_999), [])).toMatchObject({
      ready: true,
      warnings: ['backend a refused messages, which are dead letters now: bad value'],
    });
    expect(readiness(state(), refusing(60_000), []).warnings).toEqual([]);
  });

  test('warns of targets that take nothing, once, unless the whole backend fails', () => {
    const stuck = (targets: number, breaker: LaneStats['breaker'] = 'closed') =>
      new Map([['a', { ...stats(breaker), stuck: { targets, target: 'x.jsonl', error: 'no right' } }]]);
    expect(readiness(state(), stuck(1), [])).toMatchObject({
      ready: true,
      warnings: ['backend a: messages for x.jsonl wait: no right'],
    });
    expect(readiness(state(), stuck(3), []).warnings).toEqual([
      'backend a: messages for x.jsonl and 2 more wait: no right',
    ]);
    expect(readiness(state(), stuck(1, 'open'), []).warnings).toEqual(['backend a fails: refused']);
  });

  test('tells of what waits on disk', () => {
    const spool = {
      backend: 'a',
      messages: 7,
      bytes: 1,
      pendingBytes: 0,
      recovered: 0,
      isFailing: false,
      isHanging: false,
    };
    const spools = [spool, { ...spool, backend: 'b', messages: 0 }];
    expect(readiness(state(), lanes('closed'), [], spools)).toMatchObject({
      ready: true,
      warnings: ['backend a: 7 messages wait on disk'],
    });
  });

  test('warns of a spool’s disk that does not answer', () => {
    const spool = { backend: 'a', messages: 0, bytes: 1, pendingBytes: 9, recovered: 0, isFailing: false };
    const spools = [{ ...spool, isHanging: true }];
    expect(readiness(state(), lanes('open', 'closed'), [], spools).warnings.at(-1)).toBe(
      'backend a: the disk of its spool does not answer',
    );
  });

  test('warns of losses and of a spool’s disk, whether or not its backend answers', () => {
    const spool = {
      backend: 'a',
      messages: 0,
      bytes: 1,
      pendingBytes: 0,
      recovered: 0,
      isFailing: true,
      isHanging: false,
    };
    const losses = [{ backend: 'a', reason: 'spool_failed', messages: 3 }];
    const expected = [
      'backend a: 3 messages were given up in the last minute, as its queue is full and the disk of its spool refuses',
      'backend a: its spool cannot be used',
    ];
    expect(readiness(state(), lanes('closed'), [], [spool], losses).warnings).toEqual(expected);
    expect(readiness(state(), lanes('open', 'closed'), [], [spool], losses).warnings.slice(1)).toEqual(
      expected,
    );
  });
});

test('the view of the configuration', () => {
  expect(
    configView(state(), { file: 'x.yaml', data_dir: '/data', listening: ['127.0.0.1:1'], history: [] }),
  ).toMatchObject({
    file: 'x.yaml',
    hash: 'h',
    last_reload: null,
    config: { routing: { s: [{ backend: 'a' }] } },
  });
});

test('the gauge of a lane', () => {
  expect(laneGauge('a', stats('half-open'))).toEqual({
    backend: 'a',
    messages: 1,
    bytes: 2,
    oldestMs: 3,
    breaker: 'half_open',
  });
  expect(laneGauge('a', stats('open')).breaker).toBe('open');
});
