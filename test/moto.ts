// A real moto_server: Amazon S3 and CloudWatch Logs on a port of their own, in memory, empty at the start.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { delimiter } from 'node:path';
import { createInterface } from 'node:readline';
import { describe } from '@jest/globals';
import { PYTHON_PROGRAMS } from './processes.ts';

/** How long Python may take to load it on a slow, loaded machine. */
const PATIENCE_MS = 120_000;

const absent = (process.env.SIDECAR_TEST_WITHOUT ?? '').split(',').includes('moto_server');

/** `describe`, skipped where `npm test` found no moto_server and could not install one. */
export const describeWithMoto: Pick<typeof describe, 'each'> & ((name: string, body: () => void) => void) =
  absent ? describe.skip : describe;

/** Credentials that it takes; it takes any. */
export const MOTO_CREDENTIALS = { access_key_id: 'AKIATEST', secret_access_key: 'secret' } as const;

/** A server that runs. */
export interface Moto {
  readonly host: '127.0.0.1';
  readonly port: number;
  /** For `endpoint:`. */
  readonly endpoint: string;
  /** Forgets everything it was told. */
  reset(): Promise<void>;
  stop(): Promise<void>;
}

/** Starts a server and waits until it answers. */
export async function startMoto(): Promise<Moto> {
  const child = spawn('moto_server', ['-H', '127.0.0.1', '-p', '0'], {
    env: {
      ...process.env,
      PATH: [PYTHON_PROGRAMS, process.env.PATH].join(delimiter),
      PYTHONUNBUFFERED: '1',
      PYTHONDONTWRITEBYTECODE: '1',
    },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const gone = once(child, 'exit').catch(() => undefined);
  const stop = async () => {
    child.kill('SIGKILL');
    await gone;
  };
  try {
    const port = await portOf(child.stderr, gone);
    const endpoint = `http://127.0.0.1:${port}`;
    const reset = async () =>
      void (await fetch(`${endpoint}/moto-api/reset`, { method: 'POST' })).body?.cancel();
    await reset();
    return { host: '127.0.0.1', port, endpoint, reset, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** The port, once the server says that it listens. What it says after that, one line a request, is thrown away. */
function portOf(stderr: NodeJS.ReadableStream, gone: Promise<unknown>): Promise<number> {
  let said = '';
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`moto_server ${why}; \`npm test\` installs it\n${said}`));
    const late = setTimeout(() => fail('does not listen'), PATIENCE_MS);
    createInterface({ input: stderr }).on('line', (line) => {
      const port = /Running on http:\/\/127\.0\.0\.1:(\d+)/.exec(line)?.[1];
      if (port !== undefined) {
        clearTimeout(late);
        resolve(Number(port));
      } else if (said.length < 10_000) said += `${line}\n`;
    });
    void gone.then(() => {
      clearTimeout(late);
      fail('is missing or ended');
    });
  });
}
