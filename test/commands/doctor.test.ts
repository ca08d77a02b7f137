import { once } from 'node:events';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import {
  closeAll,
  createFolder,
  freePort,
  line,
  linesOf,
  ONE_FILE,
  runToEnd,
  send,
  startSidecar,
  TEST_MS,
  until,
} from '../processes.ts';

jest.setTimeout(TEST_MS);
afterEach(closeAll);

type Env = Readonly<Record<string, string>>;

const examine = (env: Env, args: readonly string[] = []) =>
  runToEnd(['doctor', ...args], { cwd: createFolder(), env });

async function sidecar(yaml = ONE_FILE) {
  const running = await startSidecar({ yaml });
  const env = { MONITORING_PORT: String(running.port), SIDECAR_URL: `http://${running.listening.http}` };
  return { running, env, file: join(running.folder, 'out', 'all.jsonl') };
}

for (const protocol of ['ndjson', 'msgpack']) {
  test(`an event goes through and its story is told, by ${protocol}`, async () => {
    const { env, file } = await sidecar();
    const { code, stdout } = await examine({
      ...env,
      MONITORING_PROTOCOL: protocol,
      MONITORING_SOURCE: 'billing',
      MONITORING_TOKEN: 'secret-token',
    });
    expect(stdout).toContain(`✓ a sidecar takes ${protocol} there, version 1`);
    expect(stdout).toContain('✓ it has taken a test event of source billing');
    expect(stdout).toContain('MONITORING_TOKEN (set)');
    expect(stdout).not.toContain('secret-token');
    expect(linesOf(file).map((text) => JSON.parse(text))).toMatchObject([
      { source: 'billing', type: 'event', seq: 1 },
    ]);
    expect(stdout).toContain(`${JSON.parse(linesOf(file)[0]!).id}: event of billing`);
    expect(stdout).toContain('1 in all: its client asked for an answer');
    expect(stdout).toContain(`it is in ${file} from byte 0`);
    expect(code).toBe(0);
  });
}

test('a port where nothing listens', async () => {
  const port = await freePort();
  const { code, stdout } = await examine({}, ['--port', String(port)]);
  expect(stdout).toContain(`✗ 127.0.0.1:${port} cannot be reached: nothing listens there. Start the sidecar`);
  expect(code).toBe(1);
});

test('something else listens there: a web server, one that says nothing', async () => {
  const { running } = await sidecar();
  const http = running.listening.http.split(':').at(-1) as string;
  const asked = await examine({ MONITORING_PORT: http });
  expect(asked.stdout).toContain('✗ what listens there does not answer as a sidecar does');
  expect(asked.code).toBe(1);
  const silent = createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
  await once(silent, 'listening');
  const { port } = silent.address() as { port: number };
  const { code, stdout } = await examine({ MONITORING_PORT: String(port) });
  silent.close();
  expect(stdout).toContain('✗ what listens there does not answer as a sidecar does (it said nothing)');
  expect(code).toBe(1);
});

for (const protocol of ['ndjson', 'msgpack']) {
  test(`something that says what no sidecar says, heard as ${protocol}`, async () => {
    const chatty = createServer((socket) => socket.resume().end('1\n"SSH-2.0"\n[{}]\nnull\n')).listen(
      0,
      '127.0.0.1',
    );
    await once(chatty, 'listening');
    const { port } = chatty.address() as { port: number };
    const found = await examine({ MONITORING_PORT: String(port), MONITORING_PROTOCOL: protocol });
    chatty.close();
    expect(found.stdout).toContain('✗ what listens there does not answer as a sidecar does');
    expect(found.stderr).toBe('');
    expect(found.code).toBe(1);
  });
}

test('a level by another name is one', async () => {
  const { env } = await sidecar();
  expect((await examine({ ...env, MONITORING_LEVEL: 'Warning' })).code).toBe(0);
});

test('a token that is missing, wrong, right', async () => {
  const { env } = await sidecar(`auth: { token: right }\n${ONE_FILE}`);
  const missing = await examine(env);
  expect(missing.stdout).toContain('✗ the sidecar asks for a token: set MONITORING_TOKEN');
  const wrong = await examine({ ...env, MONITORING_TOKEN: 'wrong' });
  expect(wrong.stdout).toContain('✗ the token is wrong');
  const right = await examine({ ...env, MONITORING_TOKEN: 'right' });
  expect(right.stdout).toContain('✓ it has taken a test event');
  expect([missing.code, wrong.code, right.code]).toEqual([1, 1, 0]);
});

test('variables that SDKs cannot use, all at once', async () => {
  const { code, stdout } = await examine({
    MONITORING_PORT: '99999',
    MONITORING_PROTOCOL: 'xml',
    MONITORING_LEVEL: 'loud',
    MONITORING_DISABLED: '1',
    OTEL_SDK_DISABLED: 'true',
  });
  expect(stdout.match(/✗/g)).toHaveLength(5);
  expect(stdout).not.toContain('Connection');
  expect(code).toBe(1);
});

test('a backend that does not take it is named', async () => {
  const { env } = await sidecar(
    ONE_FILE.replace('base_path: $OUT', 'base_path: $OUT, create_base_path: false'),
  );
  const { code, stdout } = await examine(env);
  expect(stdout).toContain('✓ it has taken a test event');
  expect(stdout).toMatch(/… \w+: /);
  expect(stdout).toContain('✗ a backend has not taken it yet');
  expect(code).toBe(1);
});

test('a backend that failed before it could be tried: why is told, from its breaker', async () => {
  const { running, env } = await sidecar(
    ONE_FILE.replace(
      'base_path: $OUT',
      'base_path: $OUT, create_base_path: false, breaker: { failures: 1, reset_after: 1h }',
    ),
  );
  await send(running.port, line(0));
  await until(() => running.hasLogged('warn', 'breaker open'), 'the breaker opens');
  const { code, stdout } = await examine(env);
  expect(stdout).toContain('… files: waiting');
  expect(stdout).toMatch(/✗ backend files fails: .* it is missing/);
  expect(code).toBe(1);
});

test('a backend that waits for company is no fault', async () => {
  const { env } = await sidecar(
    ONE_FILE.replace('base_path: $OUT', 'base_path: $OUT, batch: { max_age: 1h }'),
  );
  const { code, stdout } = await examine(env);
  expect(stdout).toContain('… files: waiting');
  expect(stdout).toContain('– a backend has not taken it yet, and none fails');
  expect(code).toBe(0);
});

test('a wrong token of the HTTP side is told of, and where the right one is', async () => {
  const { env } = await sidecar();
  const { code, stdout } = await examine(env, ['--token', 'wrong']);
  expect(stdout).toContain('✓ it has taken a test event');
  expect(stdout).toMatch(/– what became of it is not known: .* asks for its token: give it with --token/);
  expect(code).toBe(0);
});

test('a sidecar whose HTTP side is elsewhere', async () => {
  const { env } = await sidecar();
  const port = await freePort();
  const { code, stdout } = await examine(env, ['--url', `http://127.0.0.1:${port}`]);
  expect(stdout).toContain('– what became of it is not known');
  expect(code).toBe(0);
});
