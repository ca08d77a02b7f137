import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, symlinkSync } from 'node:fs';
import { connect } from 'node:net';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import {
  BINARY,
  closeAll,
  createFolder,
  freePort,
  inFolder,
  line,
  linesOf,
  ONE_FILE,
  ROOT,
  send,
  start,
  until,
  write,
} from '../processes.ts';

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

/** Ends what is left of a process group of ours. */
function endGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

test('what npx began ends with npx, at SIGTERM, and loses nothing', async () => {
  const folder = createFolder();
  const bin = join(folder, 'node_modules', '.bin');
  mkdirSync(bin, { recursive: true });
  symlinkSync(BINARY, join(bin, 'sidecar'));
  write(join(folder, 'sidecar.yaml'), inFolder(ONE_FILE.replace('20ms', '1h'), folder));
  const port = await freePort();
  const settings = ['--set', `tcp.port=${port}`, '--set', 'http.port=0', '--data-dir', createFolder()];
  const npx = spawn('npx', ['--no', 'sidecar', 'run', '--config', 'sidecar.yaml', ...settings], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'ignore'],
    detached: true,
  });
  try {
    await once(npx.stdout, 'data');
    await send(port, line(1));
    npx.kill('SIGTERM');
    await once(npx, 'exit');
    await until(async () => !(await isOpen(port)), 'the sidecar has ended');
    await until(() => linesOf(join(folder, 'out', 'all.jsonl')).length === 1, 'the message is delivered');
  } finally {
    endGroup(npx.pid!);
  }
});

const onLinux = process.platform === 'linux' ? test : test.skip;

/** The niceness of a process's threads, in the order in which they were started; proc_pid_stat(5), field 19. */
function nicenessOf(pid: number): readonly number[] {
  return readdirSync(`/proc/${pid}/task`).map((thread) => {
    const stat = readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
  });
}

onLinux.each([
  ['as it is shipped, what compiles gives way to what delivers', ['sh', '-c', 'shift; exec "$@"', 'sh'], 15],
  ['so that collections are of the same threads, nothing gives way', [], 0],
])('started %s', async (_, through, nicer) => {
  const args = ['run', '--set', 'tcp.port=0', '--set', 'http.port=0', '--data-dir', createFolder()];
  const program = start(args, { cwd: createFolder(), through });
  await until(() => program.stdout().includes('listening'), 'it runs', program.stderr);
  const own = getPriority();
  const [main, ...others] = nicenessOf(program.pid);
  expect(main).toBe(own);
  expect(others.slice(0, 5)).toEqual(Array(5).fill(Math.min(own + nicer, 19)));
  expect(new Set(others.slice(5))).toEqual(new Set([own]));
});
