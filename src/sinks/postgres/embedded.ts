import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rename, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { kill } from 'node:process';
import { promisify } from 'node:util';
import type { Log } from '../../context.ts';
import { loadBinaries } from './embedded/binaries.ts';
import { exists, prepareFolder, serverUser, writePassword } from './embedded/files.ts';

/** A PostgreSQL that the sidecar runs for itself. */
export interface Embedded {
  readonly connectionString: string;
  /** Starts it anew, at the same address, if it has been killed or stopped meanwhile; else does next to nothing. */
  keepUp(): Promise<void>;
  /** Stops it once nobody in this process uses it any more. */
  stop(): Promise<void>;
}

/** A folder's server and how many backends use it: after a reload an old one drains beside its successor. */
interface Shared {
  users: number;
  readonly started: Promise<Embedded>;
}

/** Who signs in. */
const USER = 'sidecar';
const START_SECONDS = 60;

const run = promisify(execFile);
const shared = new Map<string, Shared>();

/** Starts, or joins, the server whose files are in `folder`. It listens on loopback only, on a free port. */
export async function startEmbedded(folder: string, log: Log): Promise<Embedded> {
  const server = shared.get(folder) ?? { users: 0, started: start(folder, log) };
  shared.set(folder, server);
  server.users++;
  const leave = async () => {
    if (--server.users > 0) return;
    shared.delete(folder);
    const started = await server.started.catch(() => undefined);
    await started?.stop();
  };
  try {
    const { connectionString, keepUp } = await server.started;
    return { connectionString, keepUp, stop: leave };
  } catch (error) {
    await leave();
    throw error;
  }
}

async function start(folder: string, log: Log): Promise<Embedded> {
  const { initdb, pg_ctl } = await loadBinaries();
  const user = await serverUser();
  const as = { ...user, cwd: '/' };
  const data = join(folder, 'data');
  const passwordFile = join(folder, 'password');
  await prepareFolder(folder, user);
  if (!(await exists(join(data, 'PG_VERSION')))) {
    await writePassword(passwordFile, user);
    await initialise(initdb, data, passwordFile, as);
  }
  const control = (...args: string[]) => run(pg_ctl, [...args, '-D', data], as);
  const launch = async (port: number) => {
    const flags = `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''`;
    const logFile = join(folder, 'server.log');
    await control('start', '-w', '-s', '-t', `${START_SECONDS}`, '-l', logFile, '-o', flags).catch(() => {
      throw new Error(`the embedded PostgreSQL does not start; see ${logFile}`);
    });
  };
  /** Of the server that runs: the first and the fourth line of its lock file. */
  const running = async () => {
    const [pid, , , port] = (await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n').map(Number);
    log.info({ folder, port, user: USER, password_file: passwordFile }, 'Embedded PostgreSQL runs');
    return { pid: pid ?? 0, port: port ?? 0 };
  };
  // It may still run, if the sidecar was killed.
  const isRunning = await control('status').then(
    () => true,
    () => false,
  );
  if (!isRunning) await launch(await freePort());
  const password = (await readFile(passwordFile, 'utf8')).trim();
  const { pid, port } = await running();
  let serverPid = pid;
  let restarting: Promise<void> | undefined;
  const restart = async () => {
    log.warn({ folder }, 'Embedded PostgreSQL has ended and is started anew');
    await launch(port);
    serverPid = (await running()).pid;
  };
  return {
    connectionString: `postgresql://${USER}:${password}@127.0.0.1:${port}/postgres`,
    keepUp: () => {
      if (isAlive(serverPid)) return Promise.resolve();
      restarting ??= restart().finally(() => {
        restarting = undefined;
      });
      return restarting;
    },
    stop: async () => {
      await control('stop', '-w', '-s', '-m', 'fast').catch(() => {});
    },
  };
}

function isAlive(pid: number): boolean {
  try {
    return kill(pid, 0);
  } catch (error) {
    // Of another user, if that is not allowed.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Sets the files up beside their place, so that one that was killed meanwhile leaves nothing that looks ready. */
async function initialise(initdb: string, data: string, passwordFile: string, as: object): Promise<void> {
  const fresh = `${data}.new`;
  await rm(fresh, { recursive: true, force: true });
  await rm(data, { recursive: true, force: true });
  const flags = [`--username=${USER}`, `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8'];
  try {
    await run(initdb, [`--pgdata=${fresh}`, ...flags, '--locale=C', '--no-instructions'], as);
  } catch (error) {
    const { stderr = '' } = error as { readonly stderr?: string };
    throw new Error(`the embedded PostgreSQL cannot be set up: ${stderr.trim().slice(0, 500)}`);
  }
  await rename(fresh, data);
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  return address !== null && typeof address === 'object' ? address.port : 0;
}
