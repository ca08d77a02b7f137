// The demonstration, as `npm run demo` starts it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { expect, jest, test } from '@jest/globals';
import { ROOT, TEST_MS, until } from './processes.ts';

jest.setTimeout(TEST_MS);

interface Job {
  readonly state: string;
  readonly sources: readonly string[];
}

const absent = (process.env.SIDECAR_TEST_WITHOUT ?? '').split(',');
const isMissing = ['perl', 'python3', 'cc', 'R', 'javac'].some((program) => absent.includes(program));

(isMissing ? test.skip : test)(
  'jobs run through programs of every language while a backend fails',
  async () => {
    const demo = spawn(process.execPath, [join(ROOT, 'scripts', 'demo.js'), '--seconds', '120'], {
      stdio: 'pipe',
    });
    let said = '';
    for (const stream of [demo.stdout, demo.stderr]) {
      stream.setEncoding('utf8').on('data', (text: string) => {
        said += text;
      });
    }
    try {
      await until(
        () => said.includes('Open http'),
        'the link',
        () => said,
      );
      expect(said).toContain('Programs in Perl, Python, TypeScript, R, Java, C run jobs');
      const link = new URL(/Open (\S+)/.exec(said)?.[1] ?? '');
      const headers = { Authorization: `Bearer ${link.searchParams.get('token')}` };
      const get = async (path: string) =>
        (await fetch(new URL(path, link), { headers })).json() as Promise<{ jobs: Job[] }>;
      const finished = async () =>
        (await get('/api/v1/jobs')).jobs.find(({ state }: { state: string }) => state === 'succeeded');
      await until(
        async () => (await finished()) !== undefined,
        'a job that succeeded',
        () => said,
      );
      expect((await finished())?.sources).toEqual([
        'file-receiver',
        'db-loader',
        'order-report',
        'forecast',
        'archive',
      ]);
      const metrics = async () => (await fetch(new URL('/metrics', link))).text();
      await until(
        async () => /^sidecar_breaker_state\{backend="object-store"\} 2$/m.test(await metrics()),
        'the outage',
        () => said,
      );
      expect(await metrics()).toMatch(/^sidecar_breaker_state\{backend="files"\} 0$/m);
      const ended = once(demo, 'close');
      demo.kill('SIGINT');
      expect((await ended)[0]).toBe(0);
      expect(said).toContain('Ended; the object store has');
    } finally {
      demo.kill('SIGTERM');
    }
  },
);
