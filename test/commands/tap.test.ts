import { once } from 'node:events';
import { chmodSync, copyFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, jest, test } from '@jest/globals';
import {
  closeAll,
  createFolder,
  type RunningSidecar,
  runToEnd,
  start,
  startSidecar,
  TEST_MS,
  tokenOf,
  until,
} from '../processes.ts';

jest.setTimeout(TEST_MS);

const YAML = `
routing: {default: [{backend: files}]}
backends: {files: {type: filesystem, base_path: $OUT}}
batch: {max_age: 50ms}
`;

let sidecar: RunningSidecar;

beforeAll(async () => {
  sidecar = await startSidecar({ yaml: YAML });
});

afterAll(closeAll);

const url = () => ['--url', `http://${sidecar.listening.http}`];
const lineOf = (message: string, more: object = {}) =>
  `${JSON.stringify({ source: 'web', timestamp: new Date().toISOString(), type: 'event', data: { level: 'info', message }, ...more })}\n`;

/** Sends again and again, for a tap hears only what comes after it has begun. */
async function sendUntil(lines: string, done: () => boolean) {
  const socket = connect(sidecar.port, '127.0.0.1');
  await until(() => {
    socket.write(lines);
    return done();
  }, 'the tap has what it wants');
  socket.end();
}

async function tap(args: readonly string[], lines: string) {
  const program = start(['tap', ...url(), ...args], { cwd: sidecar.folder });
  await sendUntil(lines, () => !program.isRunning());
  return { code: await program.exit(), stdout: program.stdout(), stderr: program.stderr() };
}

describe('sidecar tap', () => {
  test('prints what its filters let through as JSON lines, and ends after a number of them', async () => {
    const lines = lineOf('noise') + lineOf('wanted', { source: 'web-2', job_id: 'j1' });
    const { code, stdout } = await tap(
      ['--count', '2', '--source', 'web-*', '--job', 'j1', '--match', 'wanted'],
      lines,
    );
    const messages = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect([code, messages.length]).toEqual([0, 2]);
    for (const message of messages)
      expect(message).toMatchObject({ source: 'web-2', text: 'wanted', job_id: 'j1' });
  });

  test('at a backend says what became of messages', async () => {
    const { stdout } = await tap(['--count', '1', '--at', 'backend'], lineOf('x'));
    expect(JSON.parse(stdout)).toMatchObject({ backend: 'files', outcome: 'delivered', reason: 'ok' });
  });

  test('at the rules says which took them', async () => {
    const { stdout } = await tap(['--count', '1', '--at', 'route'], lineOf('x'));
    expect(JSON.parse(stdout)).toMatchObject({ backend: 'files', rule: 'routing.default[0]' });
  });

  test('for people prints a line each, without what a terminal would act on', async () => {
    const { stdout } = await tap(
      ['--count', '1', '--format', 'human'],
      lineOf('\x1b[31mred\u202e', { source: 'evil' }),
    );
    expect(stdout).toMatch(/^\d\d:\d\d:\d\d\.\d{3} INFO {2}evil {2}event {2}\\x1b\[31mred\\u202e\n$/);
    const json = await tap(['--count', '1'], lineOf('\x1b[31mred\u202e'));
    expect(json.stdout).not.toContain('\u202e');
    expect(JSON.parse(json.stdout).text).toBe('\x1b[31mred\u202e');
  });

  test('ends with 0 on a signal, and when nobody reads it', async () => {
    const program = start(['tap', ...url()], { cwd: sidecar.folder });
    await sendUntil(lineOf('x'), () => program.stdout() !== '');
    program.kill('SIGINT');
    expect(await program.exit()).toBe(0);
    const piped = start(['tap', ...url()], {
      cwd: sidecar.folder,
      through: ['bash', '-c', 'set -o pipefail; "$@" | head -n 1', 'bash'],
    });
    await sendUntil(lineOf('x'), () => !piped.isRunning());
    expect(await piped.exit()).toBe(0);
  });

  test.each([
    [['--level', 'loud'], 2, 'there is no such level'],
    [['--token', 'wrong'], 1, 'asks for its token'],
    [['--at', 'sea'], 2, ''],
  ])('%j ends with %i', async (args, wanted, said) => {
    const { code, stdout } = await runToEnd(['tap', ...url(), ...args], { cwd: sidecar.folder });
    expect([code, stdout]).toEqual([wanted, expect.stringContaining(said)]);
  });
});

test.each([
  ['a page', 'answers with status 200, which no sidecar says'],
  ['nothing', 'does not answer'],
])('another program at the address that answers %s is said so by tap', async (answer, said) => {
  const server = createServer((_, response) => {
    if (answer === 'a page') response.setHeader('content-type', 'text/html').end('<html></html>');
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { code, stdout } = await runToEnd(['tap', '--url', `http://127.0.0.1:${port}`], {
    cwd: createFolder(),
  });
  server.close();
  expect([code, stdout]).toEqual([1, expect.stringContaining(said)]);
});

describe('sidecar top', () => {
  const top = (args: readonly string[], env = {}) => runToEnd(['top', ...args], { cwd: sidecar.folder, env });

  test('prints backends and sources once where there is no terminal', async () => {
    const { code, stdout } = await top(url());
    expect(code).toBe(0);
    expect(stdout).toMatch(/^BACKEND +TYPE +CIRCUIT/m);
    expect(stdout).toMatch(/^files +filesystem +closed/m);
    expect(stdout).not.toContain('\x1b');
  });

  test('--json prints what the sidecar answers', async () => {
    const { stdout } = await top([...url(), '--json', '--once']);
    expect(JSON.parse(stdout)).toMatchObject({
      overview: { readiness: { ready: true } },
      health: { backends: [{}] },
    });
  });

  test('without a sidecar ends with 1 and says what to do', async () => {
    const { code, stdout } = await top(['--url', 'http://127.0.0.1:9']);
    expect([code, stdout]).toEqual([1, expect.stringMatching(/does not answer.*--url/)]);
  });
});

describe('the token', () => {
  const top = (args: readonly string[], env = {}) => runToEnd(['top', ...args], { cwd: sidecar.folder, env });

  test('is taken from --token, SIDECAR_TOKEN, or the file that the sidecar names', async () => {
    const token = tokenOf(sidecar.listening);
    expect((await top([...url(), '--token', token])).code).toBe(0);
    expect((await top(url(), { SIDECAR_TOKEN: token })).code).toBe(0);
    expect((await top(url())).code).toBe(0);
  });

  test('is told nobody who names a file that is not a token of this user alone', async () => {
    const folder = createFolder();
    const token = tokenOf(sidecar.listening);
    const good = join(folder, 'http-token');
    writeFileSync(good, `${token}\n`, { mode: 0o600 });
    const elsewhere = join(folder, 'id_rsa');
    copyFileSync(good, elsewhere);
    const open = join(createFolder(), 'http-token');
    writeFileSync(open, `${token}\n`);
    chmodSync(open, 0o644);
    const other = join(createFolder(), 'http-token');
    writeFileSync(other, 'a private key\n', { mode: 0o600 });
    for (const [file, told] of [
      [good, true],
      [elsewhere, false],
      [open, false],
      [other, false],
    ] as const) {
      const shown: string[] = [];
      const rogue = createServer(({ headers }, answer) => {
        shown.push(headers.authorization ?? '');
        answer.writeHead(401).end(JSON.stringify({ error: '', hint: '', token_file: file }));
      }).listen(0, '127.0.0.1');
      await once(rogue, 'listening');
      await top(['--url', `http://127.0.0.1:${(rogue.address() as AddressInfo).port}`]);
      rogue.closeAllConnections();
      rogue.close();
      expect([file, shown.some((one) => one !== '')]).toEqual([file, told]);
    }
  });
});
