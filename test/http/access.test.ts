import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, test } from '@jest/globals';
import { ask, closeAll, NO_PAGES, open, sourcesOf } from './serving.ts';

const TOKEN = 'a'.repeat(64);
const ACCESS = { token: () => TOKEN, tokenFile: () => '/data/http-token' };
const HTML = { accept: 'text/html,application/xhtml+xml' };

const built = mkdtempSync(join(tmpdir(), 'sidecar-pages-'));
mkdirSync(join(built, 'assets'));
writeFileSync(join(built, 'index.html'), '<!doctype html><title>page</title>');
writeFileSync(join(built, 'assets', 'index-Ab3_x9Zq.js'), 'export {};');
writeFileSync(join(built, 'icon.svg'), '<svg/>');
writeFileSync(join(built, '.secret.txt'), 'secret');
writeFileSync(join(built, '..', 'outside-of-the-pages.txt'), 'secret');

afterEach(closeAll);
afterAll(() => {
  rmSync(built, { recursive: true });
  rmSync(join(built, '..', 'outside-of-the-pages.txt'));
});

const guarded = async (pages = built) => (await open(sourcesOf(), { access: ACCESS, pages })).address;
const cookieName = (address: string) => `sidecar_${new URL(address).port}`;

describe('without the token', () => {
  test.each(['/healthz', '/readyz', '/metrics'])('%s is open, for probes', async (path) => {
    expect((await ask(await guarded(), path)).status).toBe(200);
  });

  test.each([
    '/',
    '/api/v1/jobs',
    '/api/v1/config',
    '/api/v1/stream?topics=tail',
    '/assets/index-Ab3_x9Zq.js',
    '/none',
  ])('%s is refused, with what to do', async (path) => {
    const answer = await ask(await guarded(), path);
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, 'Bearer']);
    expect(JSON.parse(answer.body)).toMatchObject({
      error: 'this needs the token',
      token_file: '/data/http-token',
    });
  });

  test.each(['/', '/jobs/x', '/metrics'])('a browser is asked for it at %s', async (path) => {
    const answer = await ask(await guarded(), path, { headers: HTML });
    expect([answer.status, answer.headers['content-type']]).toEqual([401, 'text/html; charset=UTF-8']);
    expect(answer.body).toContain('http-token');
    expect(answer.body).not.toContain(TOKEN);
  });

  test.each([
    ['a wrong one', { authorization: `Bearer ${'b'.repeat(64)}` }],
    ['a part of it', { authorization: `Bearer ${TOKEN.slice(1)}` }],
    ['another scheme', { authorization: `Basic ${TOKEN}` }],
    ['another port’s cookie', { cookie: `sidecar_1=${TOKEN}` }],
  ])('%s does not help', async (_, headers) => {
    expect((await ask(await guarded(), '/api/v1/jobs', { headers })).status).toBe(401);
  });

  test('in a URL of the API it does not help: URLs are logged', async () => {
    expect((await ask(await guarded(), `/api/v1/jobs?token=${TOKEN}`)).status).toBe(401);
  });
});

describe('with the token', () => {
  test('as Authorization, or as the cookie of this port, all is open', async () => {
    const address = await guarded();
    for (const headers of [
      { authorization: `Bearer ${TOKEN}` },
      { cookie: `a=b; ${cookieName(address)}=${TOKEN}` },
    ]) {
      expect((await ask(address, '/api/v1/jobs', { headers })).status).toBe(200);
    }
  });

  test('the link sets a cookie that scripts cannot read and other sites cannot use, and hides itself', async () => {
    const address = await guarded();
    const answer = await ask(address, `/jobs/a%2Fb?q=1&token=${TOKEN}`, { headers: HTML });
    expect([answer.status, answer.headers.location]).toEqual([303, '/jobs/a%2Fb?q=1']);
    const [cookie = ''] = answer.headers['set-cookie'] ?? [];
    expect(cookie).toMatch(new RegExp(`^${cookieName(address)}=${TOKEN}; .*HttpOnly; SameSite=Strict$`));
  });

  test('a link cannot lead to another site', async () => {
    const answer = await ask(await guarded(), `/?token=${TOKEN}&x=//evil.example`, { headers: HTML });
    expect(answer.headers.location).toMatch(/^\/\?x=/);
    const slashes = await ask(await guarded(), `//evil.example/?token=${TOKEN}`, { headers: HTML });
    expect(slashes.headers.location).toBeUndefined();
  });

  test('a wrong link is told as such', async () => {
    const answer = await ask(await guarded(), '/?token=wrong', { headers: HTML });
    expect([answer.status, answer.headers['set-cookie']]).toEqual([401, undefined]);
    expect(answer.body).toContain('not the one of this sidecar');
  });

  test('other hosts and other sites are refused all the same', async () => {
    const address = await guarded();
    const authorization = `Bearer ${TOKEN}`;
    const asked = async (headers: Record<string, string>) =>
      (await ask(address, '/api/v1/jobs', { headers: { authorization, ...headers } })).status;
    expect(await asked({ host: 'evil.example' })).toBe(421);
    expect(await asked({ origin: 'https://evil.example' })).toBe(403);
    expect(await asked({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' })).toBe(403);
  });
});

describe('beyond loopback', () => {
  const remote = async (token = TOKEN) => {
    const access = { ...ACCESS, token: () => token };
    const { address } = await open(sourcesOf(), { access, pages: built, host: '0.0.0.0' });
    return address.replace('0.0.0.0', '127.0.0.1');
  };
  const authorization = `Bearer ${TOKEN}`;

  test('a probe learns whether it is alive and ready, and no more', async () => {
    const address = await remote();
    expect((await ask(address, '/healthz')).body).toBe('{"status":"ok"}');
    const answer = await ask(address, '/readyz');
    expect([answer.status, JSON.parse(answer.body)]).toEqual([200, { ready: true }]);
    const whole = await ask(address, '/readyz', { headers: { authorization } });
    expect(JSON.parse(whole.body)).toEqual({ ready: true, reasons: [], warnings: [] });
  });

  test.each(['/', '/metrics', '/api/v1/jobs', '/none'])('%s needs the token', async (path) => {
    const address = await remote();
    const refused = await ask(address, path);
    expect(refused.status).toBe(401);
    const answer = await ask(address, path, { headers: { authorization } });
    expect(answer.status).toBe(path === '/none' ? 404 : 200);
  });

  test('without a token nobody has one', async () => {
    const address = await remote('');
    for (const headers of [{}, { cookie: `${cookieName(address)}=` }, { authorization: 'Bearer ' }])
      expect((await ask(address, '/metrics', { headers })).status).toBe(401);
    expect((await ask(address, '/?token=', { headers: HTML })).status).toBe(401);
  });

  test('any name leads there, also of a proxy that speaks TLS, but no other site', async () => {
    const address = await remote();
    const statusOf = async (headers: Record<string, string>) =>
      (await ask(address, '/api/v1/jobs', { headers: { authorization, ...headers } })).status;
    expect(await statusOf({ host: 'pod-1.example:17001' })).toBe(200);
    expect(await statusOf({ host: 'telemetry.example', origin: 'https://telemetry.example' })).toBe(200);
    expect(await statusOf({ host: 'telemetry.example', origin: 'https://evil.example' })).toBe(403);
    expect(await statusOf({ 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' })).toBe(403);
  });
});

describe('the page', () => {
  const asPerson = { ...HTML, authorization: `Bearer ${TOKEN}` };

  test.each(['/', '/jobs', '/jobs/job-1', '/traces/abc', '/live', '/metrics', '/health', '/config'])(
    'is what a browser gets at %s, under a strict policy',
    async (path) => {
      const answer = await ask(await guarded(), path, { headers: asPerson });
      expect([answer.status, answer.body]).toEqual([200, '<!doctype html><title>page</title>']);
      const policy = String(answer.headers['content-security-policy']);
      expect(policy).toContain("default-src 'none'");
      expect(policy).toContain("require-trusted-types-for 'script'");
      expect(policy).not.toContain('unsafe');
      expect(answer.headers).toMatchObject({
        'cache-control': 'no-store',
        'referrer-policy': 'no-referrer',
        'x-content-type-options': 'nosniff',
      });
      expect(Object.keys(answer.headers).filter((name) => name.startsWith('access-control'))).toEqual([]);
    },
  );

  test('has assets that browsers keep, and others that they ask for again', async () => {
    const address = await guarded();
    const headers = { authorization: `Bearer ${TOKEN}` };
    const script = await ask(address, '/assets/index-Ab3_x9Zq.js', { headers });
    expect([script.status, script.headers['content-type'], script.headers['cache-control']]).toEqual([
      200,
      'text/javascript; charset=utf-8',
      'private, max-age=31536000, immutable',
    ]);
    const icon = await ask(address, '/icon.svg', { headers });
    expect([icon.status, icon.headers['cache-control']]).toEqual([200, 'no-store']);
  });

  test.each([
    '/../outside-of-the-pages.txt',
    '/%2e%2e/outside-of-the-pages.txt',
    '/..%2foutside-of-the-pages.txt',
    '/assets/../../outside-of-the-pages.txt',
    '/.secret.txt',
    '/assets',
    '/index.html%00.txt',
  ])('has nothing else: %s', async (path) => {
    const answer = await ask(await guarded(), path, { headers: { authorization: `Bearer ${TOKEN}` } });
    expect([answer.status, answer.body.includes('secret')]).toEqual([404, false]);
  });

  test('that is not built says how to get it', async () => {
    const answer = await ask(await guarded(NO_PAGES), '/', { headers: asPerson });
    expect(answer.status).toBe(200);
    expect(answer.body).toContain('npm run build');
  });

  test('of metrics is only for browsers', async () => {
    const answer = await ask(await guarded(), '/metrics', {
      headers: { accept: 'application/openmetrics-text' },
    });
    expect(answer.headers['content-type']).toContain('text/plain');
  });
});
