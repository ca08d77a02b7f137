import { afterEach, describe, expect, test } from '@jest/globals';
import { ask, askRaw, closeAll, open } from './serving.ts';

afterEach(closeAll);

const statusOf = async (address: string, headers: Record<string, string>, path = '/api/v1/config') =>
  (await ask(address, path, { headers })).status;

describe('host', () => {
  test.each(['127.0.0.1', '127.0.0.1:1', 'localhost', 'LocalHost:17001', '[::1]', '[::1]:8080'])(
    '%s is served',
    async (host) => {
      const { address } = await open();
      expect(await statusOf(address, { host })).toBe(200);
    },
  );

  test.each([
    'evil.example',
    'evil.example:17001',
    'localhost.evil.example',
    'evil.example#localhost',
    'localhost@evil.example',
    '127.0.0.1.evil.example',
    '127.0.0.2',
    '0.0.0.0',
    '[::]',
    '::1',
    'localhost:',
    'localhost:port',
    '127.0.0.1:17001:1',
    '2130706433',
    '0x7f.1',
    'localhost.',
  ])('%s is not', async (host) => {
    const { address } = await open();
    for (const path of ['/', '/healthz', '/metrics', '/nothing']) {
      const answer = await ask(address, path, { headers: { host } });
      expect([400, 421]).toContain(answer.status);
      expect(JSON.parse(answer.body)).toEqual({ error: expect.any(String), hint: expect.any(String) });
      expect(answer.headers['x-content-type-options']).toBe('nosniff');
    }
  });

  test('a foreign name is 421 and says which are served', async () => {
    const { address } = await open();
    const answer = await ask(address, '/', { headers: { host: 'evil.example' } });
    expect([answer.status, JSON.parse(answer.body)]).toEqual([
      421,
      { error: 'this host name is not served here', hint: 'use one of 127.0.0.1, localhost, [::1]' },
    ]);
  });

  test('the address that it is bound to is served too', async () => {
    const { address } = await open(undefined, { host: '127.0.0.2' });
    expect(await statusOf(address, {})).toBe(200);
    expect(await statusOf(address, { host: '127.0.0.3' })).toBe(421);
  });

  test.each([
    ['two Host headers', 'GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n'],
    ['an absolute URL elsewhere', 'GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n'],
    ['an absolute URL here, Host elsewhere', 'GET http://localhost/ HTTP/1.1\r\nHost: evil.example\r\n'],
    ['an empty Host', 'GET / HTTP/1.1\r\nHost:\r\n'],
    ['HTTP/1.0 without Host', 'GET / HTTP/1.0\r\n'],
    ['HTTP/1.1 without Host', 'GET / HTTP/1.1\r\n'],
    ['a path that is none', 'GET \\evil HTTP/1.1\r\nHost: localhost\r\n'],
  ])('%s is refused', async (_, head) => {
    const { address } = await open();
    const answer = await askRaw(address, `${head}Connection: close\r\n\r\n`);
    expect(answer).toMatch(/^HTTP\/1\.1 4(00|21) /);
    expect(answer).not.toContain('monitoring-sidecar');
  });
});

describe('other sites', () => {
  test.each([
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'iframe' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'no-cors', 'sec-fetch-dest': 'script' },
    { 'sec-fetch-site': 'anything' },
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: 'http://localhost:3000', host: 'localhost:17001' },
    { origin: 'https://localhost:17001', host: 'localhost:17001' },
    { origin: '' },
    { 'sec-fetch-site': 'same-origin', origin: 'http://evil.example' },
  ])('%j is refused', async (headers) => {
    const { address } = await open();
    const answer = await ask(address, '/api/v1/jobs', { headers: headers as Record<string, string> });
    expect(answer.status).toBe(403);
    expect(JSON.parse(answer.body)).toEqual({ error: expect.any(String), hint: expect.any(String) });
  });

  test.each([
    {},
    { 'sec-fetch-site': 'none', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
    { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty' },
    { 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document' },
    { origin: 'http://localhost:17001', host: 'localhost:17001' },
    { origin: 'http://LOCALHOST:17001', host: 'localhost:17001' },
  ])('%j is answered', async (headers) => {
    const { address } = await open();
    expect(await statusOf(address, headers as Record<string, string>)).toBe(200);
  });

  test('no answer opens itself to another origin', async () => {
    const { address } = await open();
    const origin = 'http://evil.example';
    const preflight = { origin, 'access-control-request-method': 'GET' };
    const answers = [
      await ask(address, '/', { headers: { origin } }),
      await ask(address, '/', { method: 'OPTIONS', headers: preflight }),
      await ask(address, '/'),
    ];
    expect(answers.map(({ status }) => status)).toEqual([403, 403, 200]);
    for (const { headers } of answers) {
      expect(Object.keys(headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    }
  });
});

describe('methods', () => {
  test.each(['POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'TRACE', 'PROPFIND'])(
    '%s is 405',
    async (method) => {
      const { address } = await open();
      for (const path of ['/api/v1/config', '/nothing']) {
        const answer = await ask(address, path, { method });
        expect([answer.status, answer.headers.allow]).toEqual([405, 'GET, HEAD']);
        expect(JSON.parse(answer.body)).toEqual({ error: expect.any(String), hint: expect.any(String) });
      }
    },
  );

  test('a body is never waited for', async () => {
    const { address } = await open();
    const head =
      'POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\nConnection: close\r\n\r\n';
    expect(await askRaw(address, `${head}some`)).toMatch(/^HTTP\/1\.1 405 /);
  });
});

test('every answer carries the safe headers', async () => {
  const { address } = await open();
  for (const path of ['/', '/healthz', '/readyz', '/metrics', '/api/v1/jobs', '/api/v1/jobs/x', '/nothing']) {
    const { headers } = await ask(address, path);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
      'cross-origin-resource-policy': 'same-origin',
      'referrer-policy': 'no-referrer',
      'x-content-type-options': 'nosniff',
    });
  }
});

describe('size', () => {
  test('a huge URL is refused and the server lives', async () => {
    const { address } = await open();
    const huge = 'a'.repeat(1_000_000);
    const answer = await askRaw(address, `GET /${huge} HTTP/1.1\r\nHost: localhost\r\n\r\n`).catch(
      () => 'reset',
    );
    expect(answer).toMatch(/^(HTTP\/1\.1 431 |reset)/);
    expect(await statusOf(address, {})).toBe(200);
  });

  test('a long id that fits is looked up', async () => {
    const { address } = await open();
    expect(await statusOf(address, {}, `/api/v1/jobs/${'a'.repeat(10_000)}`)).toBe(404);
  });
});
