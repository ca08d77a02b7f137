import { hostname } from 'node:os';
import { describe, expect, test } from '@jest/globals';
import {
  batchLimits,
  compileCritical,
  decodeOptions,
  letterBounds,
  listenOptions,
  normaliseOptions,
  storeLimits,
  watchSettings,
  webAddress,
} from '../../src/sidecar/settings.ts';
import { routing } from '../route/planned.ts';
import { messageOf } from '../route/support.ts';

const configOf = (settings: object = {}) => routing({ s: [{ backend: 'a' }] }, settings);

describe('what is critical', () => {
  const isCritical = (critical: object, record: object) =>
    compileCritical(configOf({ critical }).critical)(messageOf('x', record as never));
  const event = (level: string, more = {}) => ({ type: 'event', data: { level, ...more } });

  test.each([
    ['errors by default', {}, event('error'), true],
    ['no warnings by default', {}, event('warn'), false],
    ['no other types by default', {}, { type: 'metric', data: { level: 'fatal' } }, false],
    ['a level of choice', { level: 'warning' }, event('warn'), true],
    ['never', { level: 'never' }, event('fatal'), false],
    ['a type', { types: ['progress'] }, { type: 'progress' }, true],
    ['a type besides the level', { types: ['progress'] }, event('error'), true],
    ['a type alone', { level: 'never', types: ['progress'] }, event('error'), false],
    ['a match', { level: 'never', match: { 'data.code': { gte: 500 } } }, event('info', { code: 503 }), true],
    ['a match that fails', { match: { 'data.code': 500 } }, event('info', { code: 200 }), false],
  ])('%s', (_, critical, record, expected) => {
    expect(isCritical(critical, record)).toBe(expected);
  });
});

test("the brief's batch limits are the defaults", () => {
  expect(batchLimits(configOf())).toMatchObject({ maxCount: 100, maxAgeMs: 5000, maxBytes: 1_048_576 });
});

test('the host is that of the machine, a text, or none', () => {
  expect(normaliseOptions(configOf()).host).toBe(hostname());
  expect(normaliseOptions(configOf({ enrich: { host: 'web', tags: { env: 'x' } } }))).toEqual({
    host: 'web',
    tags: { env: 'x' },
  });
  expect(normaliseOptions(configOf({ enrich: { host: false } })).host).toBe('');
});

test('listeners', () => {
  const [tcp, ...none] = listenOptions(configOf({ tcp: { port: 0 } }));
  expect([tcp, none]).toEqual([{ address: { host: '127.0.0.1', port: 0 }, maxConnections: 1024 }, []]);
  expect(
    listenOptions(
      configOf({
        tcp: { port: false, socket: '/run/s', socket_mode: '0600' },
        limits: { max_connections: 5 },
      }),
    ),
  ).toEqual([{ address: { path: '/run/s', mode: 0o600 }, maxConnections: 5 }]);
});

test('the web page', () => {
  expect(webAddress(configOf({ http: { port: 5 } }))).toEqual({ auth: 'token', host: '127.0.0.1', port: 5 });
  expect(webAddress(configOf({ http: { enabled: false } }))).toBeUndefined();
});

test('bounds', () => {
  const config = configOf({
    correlation: { max_traces: 1, max_messages: 2, max_messages_per_trace: 3, max_bytes: '4B' },
    limits: { max_frame: '2KiB', frame_timeout: '1s' },
  });
  expect(storeLimits(config)).toEqual({ maxTraces: 1, maxMessages: 2, maxMessagesPerTrace: 3, maxBytes: 4 });
  expect(decodeOptions(config)).toMatchObject({ maxFrameBytes: 2048, frameTimeoutMs: 1000 });
});

test('each backend bounds its own dead letters', () => {
  const backends = (...sections: readonly object[]) => ({
    backends: Object.fromEntries(
      sections.map((dead_letters, n) => ['abc'[n], { type: 'rec', dead_letters }]),
    ),
  });
  const config = configOf(backends({ max_bytes: '1KiB', max_age: '1d' }, {}, { enabled: false }));
  const days = (n: number) => n * 86_400_000;
  expect(letterBounds(config, 'a')).toEqual({ maxBytes: 1024, maxAgeMs: days(1) });
  expect(letterBounds(config, 'b')).toEqual({ maxBytes: 100 * 1024 * 1024, maxAgeMs: days(30) });
  expect(letterBounds(config, 'c')).toBeUndefined();
  // A backend that an edit removed still has letters of what it drains.
  expect(letterBounds(config, 'toString')).toEqual(letterBounds(config, 'b'));
});

test('what is watched lies beside the configuration', () => {
  expect(watchSettings(configOf({ pipelines: 'ops' }), '/etc/sidecar/x.yaml')).toEqual({
    pipelines: '/etc/sidecar/ops',
    debounceMs: 100,
    pollMs: 10_000,
  });
});
