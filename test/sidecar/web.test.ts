import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import {
  closeAll,
  createFolder,
  runToEnd,
  start,
  startSidecar,
  TEST_MS,
  tokenOf,
  until,
  write,
} from '../processes.ts';

jest.setTimeout(TEST_MS);

afterEach(closeAll);

const YAML = `
routing: {default: [{backend: files}]}
backends: {files: {type: filesystem, base_path: $OUT}}
`;

const ask = (http: string, token = '') =>
  fetch(`http://${http}/api/v1/overview`, {
    headers: token === '' ? {} : { Authorization: `Bearer ${token}` },
  });

test('the token is random, for its owner only, and the same after a restart', async () => {
  const folder = createFolder();
  const first = await startSidecar({ yaml: YAML, folder });
  const token = tokenOf(first.listening);
  expect(token).toMatch(/^[0-9a-f]{64}$/);
  expect(statSync(join(folder, 'data', 'http-token')).mode & 0o777).toBe(0o600);
  expect([(await ask(first.listening.http)).status, (await ask(first.listening.http, token)).status]).toEqual(
    [401, 200],
  );
  expect(first.stdout() + first.stderr()).not.toContain(token);
  await first.stop();
  const second = await startSidecar({ yaml: YAML, folder });
  expect(tokenOf(second.listening)).toBe(token);
  const other = await startSidecar({ yaml: YAML });
  expect(tokenOf(other.listening)).not.toBe(token);
});

test('for people a link is printed that lets its reader in', async () => {
  const folder = createFolder();
  const path = write(join(folder, 'my.yaml'), YAML.replace('$OUT', join(folder, 'out')));
  const set = ['tcp.port=0', 'http.port=0'].flatMap((setting) => ['--set', setting]);
  const program = start(['run', '--config', path, '--format', 'human', ...set], { cwd: folder });
  await until(() => program.stdout().includes('web '), 'it runs', program.stderr);
  const [link = ''] = /http:\S+\?token=[0-9a-f]{64}/.exec(program.stdout()) ?? [];
  const answer = await fetch(link, { headers: { Accept: 'text/html' }, redirect: 'manual' });
  expect([answer.status, answer.headers.get('location')]).toEqual([303, '/']);
});

test('http.auth is changed while it runs, at the same address', async () => {
  const sidecar = await startSidecar({ yaml: `${YAML}http: {auth: none}\n` });
  const { http } = sidecar.listening;
  expect((await ask(http)).status).toBe(200);
  expect(() => readFileSync(join(sidecar.folder, 'data', 'http-token'))).toThrow();
  write(sidecar.path, YAML.replace('$OUT', join(sidecar.folder, 'out')));
  await until(async () => (await ask(http)).status === 401, 'a token is asked for');
  expect((await ask(http, tokenOf(sidecar.listening))).status).toBe(200);
});

test('in a container: for all addresses, with a token of its own, which an edit changes', async () => {
  const [one, two] = ['1'.repeat(32), '2'.repeat(32)];
  const yaml = (token: string) => `${YAML}http: {host: 0.0.0.0, token: '${token}'}\n`;
  const sidecar = await startSidecar({ yaml: yaml(one) });
  expect(sidecar.listening.http).toMatch(/^0\.0\.0\.0:\d+$/);
  const http = sidecar.listening.http.replace('0.0.0.0', '127.0.0.1');
  expect([(await ask(http)).status, (await ask(http, one)).status]).toEqual([401, 200]);
  // Commands of the same user need not be told.
  const job = await runToEnd(['job', 'none', '--url', `http://${http}`], { cwd: sidecar.folder });
  expect(job.stdout).toContain('none');
  write(sidecar.path, yaml(two).replace('$OUT', join(sidecar.folder, 'out')));
  await until(async () => (await ask(http, two)).status === 200, 'the new one is taken', sidecar.stderr);
  expect((await ask(http, one)).status).toBe(401);
  expect(tokenOf(sidecar.listening)).toBe(two);
  expect(sidecar.stdout() + sidecar.stderr()).not.toContain(two);
  expect(JSON.stringify(await sidecar.get('/api/v1/config'))).not.toContain(two);
});
