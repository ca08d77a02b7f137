import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import { closeAll, createFolder, freePort, ROOT, until } from '../processes.ts';

jest.setTimeout(120_000);
afterEach(closeAll);

const isOpen = (port: number) =>
  new Promise<boolean>((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    socket.on('connect', () => resolve(true)).on('error', () => resolve(false));
    socket.on('connect', () => socket.destroy());
  });

test.each(['SIGTERM', 'SIGKILL'] as const)('what npm start began ends with npm, at %s', async (signal) => {
  const port = await freePort();
  const settings = ['--set', `tcp.port=${port}`, '--set', 'http.port=0', '--data-dir', createFolder()];
  const script = `node ${join(ROOT, 'scripts/start.js')} ${settings.join(' ')}; true`;
  const env = { ...process.env, npm_lifecycle_event: 'start' };
  // As npm runs a script: by a shell that passes no signal on.
  const shell = spawn('sh', ['-c', script], {
    env,
    cwd: createFolder(),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let printed = '';
  shell.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  await until(
    () => printed.includes('Ctrl+C stops it'),
    'it says how to go on',
    () => printed,
  );
  expect(await isOpen(port)).toBe(true);
  shell.kill(signal);
  await once(shell, 'exit');
  await until(async () => !(await isOpen(port)), 'the sidecar has ended');
});
