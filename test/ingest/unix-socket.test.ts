import { once } from 'node:events';
import { chmodSync, existsSync, mkdirSync, statSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { completed, line, record, serve, until } from './harness.ts';

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'ingest-'));
  path = join(folder, 'sidecar.sock');
});
afterEach(() => rm(folder, { recursive: true }));

const listening = (mode = 0o660) => serve({ address: { path, mode } });
const failing = () =>
  listening().then(
    () => 'it listens',
    (error: Error) => error.message,
  );

async function send(count: number): Promise<void> {
  const socket = connect(path);
  socket.end(Buffer.concat(Array.from({ length: count }, (_, n) => line(record(n)))));
  socket.resume();
  await once(socket, 'close');
}

/** Leaves a socket file behind as a process does that is killed. */
async function leaveStale(): Promise<void> {
  const server = createServer().listen(join(folder, 'other.sock'));
  await once(server, 'listening');
  const { linkSync } = await import('node:fs');
  linkSync(join(folder, 'other.sock'), path);
  server.close();
  await once(server, 'close');
}

test('delivers what is sent; its address is the path, its file has the permissions asked for', async () => {
  await using served = await listening();
  await send(1_000);
  expect(served.values).toHaveLength(1_000);
  expect([served.listener.address, served.listener.isExposed]).toEqual([path, false]);
  expect(statSync(path).mode & 0o777).toBe(0o660);
});

test('takes other permissions', async () => {
  await using served = await listening(0o600);
  expect(statSync(served.listener.address).mode & 0o777).toBe(0o600);
});

test('names its clients unix in the log', async () => {
  await using served = await listening();
  connect(path).end('?');
  await until(() => served.logged.length === 1, 'the refusal');
  expect(served.logged[0]!.fields).toMatchObject({ remote: 'unix', reason: 'first_byte' });
});

test('removes the file when it closes', async () => {
  const served = await listening();
  await completed(served.listener.drain(0));
  expect(existsSync(path)).toBe(false);
});

test('replaces a file that nobody listens on', async () => {
  await leaveStale();
  expect(existsSync(path)).toBe(true);
  await using served = await listening();
  await send(1);
  expect(served.values).toHaveLength(1);
});

test('leaves a file alone that somebody listens on', async () => {
  await using served = await listening();
  expect(await failing()).toMatch(/another program listens there.*\(EADDRINUSE\)$/);
  await send(1);
  expect(served.values).toHaveLength(1);
});

test('leaves a file alone that is no socket', async () => {
  writeFileSync(path, 'precious');
  expect(await failing()).toBe(
    `cannot listen on ${path}: a file that is not a socket is in the way; move it, or choose another path (EEXIST)`,
  );
});

test('says so if its folder does not exist, or its path is too long', async () => {
  path = join(folder, 'nowhere', 'sidecar.sock');
  expect(await failing()).toMatch(/its folder does not exist; create it/);
  path = join(folder, 'x'.repeat(120));
  expect(await failing()).toMatch(/at most 107 bytes/);
});

test('a folder that this user may not write to is not told of as a port', async () => {
  chmodSync(folder, 0o755);
  path = join(folder, 'shut', 'sidecar.sock');
  mkdirSync(join(folder, 'shut'), { mode: 0o555 });
  const isSuperuser = process.geteuid!() === 0;
  if (isSuperuser) process.seteuid!(65_534);
  try {
    expect(await failing()).toBe(
      `cannot listen on ${path}: permission denied; choose a folder that this user may write to (EACCES)`,
    );
  } finally {
    if (isSuperuser) process.seteuid!(0);
  }
});

test('drains like a port', async () => {
  await using served = await listening();
  const socket = connect({ path, allowHalfOpen: true });
  socket.on('end', () => socket.end(line(record(1)))).resume();
  await once(socket, 'connect');
  await completed(served.listener.drain(10_000));
  expect(served.values).toHaveLength(1);
});
