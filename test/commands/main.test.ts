import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, jest, test } from '@jest/globals';
import { BINARY, closeAll, createFolder, ROOT, runToEnd } from '../processes.ts';

jest.setTimeout(180_000);
afterEach(closeAll);

const sidecar = (...args: string[]) => runToEnd(args, { cwd: createFolder() });

test('--help teaches: every command, examples and the exit codes', async () => {
  const { code, stdout } = await sidecar('--help');
  expect(code).toBe(0);
  for (const text of ['run ', 'validate ', 'test ', 'job ', 'Start here:', 'Exit codes:']) {
    expect(stdout).toContain(text);
  }
});

test('--version is the version of the package', async () => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  expect(await sidecar('--version')).toMatchObject({ code: 0, stdout: `${version}\n` });
});

test.each([
  [['rum'], "unknown command 'rum'"],
  [['run', '--conf', 'x'], "unknown option '--conf'"],
  [['run', '--set', 'tcp.port'], 'expected KEY=VALUE, such as tcp.port=0'],
  [['run', '--format', 'xml'], 'Allowed choices are auto, human, json'],
  [['validate'], "missing required argument 'file'"],
  [['job'], "missing required argument 'id'"],
])('%j is exit code 2, with what is wrong and where help is', async (args, why) => {
  const { code, stdout, stderr } = await sidecar(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toContain(why);
  expect(stderr).toContain('sidecar --help explains');
  expect(stderr).not.toMatch(/\n\s+at /);
});

test('nobody reads what is printed, as behind `| head -0`: not an error', async () => {
  const child = spawn(process.execPath, [BINARY, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const [code] = await once(child, 'close');
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
});

test('too few files for its own start are said so, with what to do', async () => {
  const through = ['sh', '-c', 'ulimit -n 64; exec "$@"', 'sh'];
  const { code, stderr } = await runToEnd(['run'], { cwd: createFolder(), through });
  expect({ code, stderr }).toEqual({ code: 3, stderr: expect.stringMatching(/EMFILE.*\n.*LimitNOFILE/) });
});

test('a sidecar that does not answer is said so', async () => {
  const { code, stdout } = await sidecar('job', 'job-1', '--url', '127.0.0.1:1');
  expect(code).not.toBe(0);
  expect(stdout).toContain('http://127.0.0.1:1 does not answer');
});

test.each(['ftp://127.0.0.1', 'http://', 'http://a b'])('%j is no address of a sidecar', async (url) => {
  const { code, stderr } = await sidecar('job', 'job-1', '--url', url);
  expect(code).toBe(2);
  expect(stderr).toContain('expected an address such as http://127.0.0.1:17001');
});
