// The sidecar and its backends in one run of faults: a PostgreSQL behind a proxy, a folder, a small disk, a clock.
import { existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { type FaultProxy, type Faults, startFaultProxy } from '../fault-proxy.ts';
import type { Server } from '../postgres-server.ts';
import { createFolder, linesOf, ROOT, type RunningSidecar, startSidecar } from '../processes.ts';
import { mountSmallDisk, type SmallDisk } from './disk.ts';
import type { Found } from './ledger.ts';
import type { Fault } from './schedule.ts';

/** Everything that a schedule harms. */
export interface World {
  /** The sidecar that runs now, or ran last. */
  sidecar(): RunningSidecar;
  /** Does a fault and undoes it after its time. */
  suffer(fault: Fault): Promise<void>;
  rows(): Promise<readonly Found[]>;
  /** Records in the file, and how many of its lines are none. */
  lines(): { readonly found: readonly Found[]; readonly torn: number };
  close(): Promise<void>;
}

const yaml = (url: string, disk: string) => `
data_dir: ${join(disk, 'data')}
batch: { max_age: 20ms }
shutdown: { deadline: 20s }
routing:
  default:
    - backend: db
    - backend: files
backends:
  db:
    type: postgres
    connection_string: ${url}
    connect_timeout: 2s
    durability: disk
    timeout: 3s
    retry: { initial: 20ms, max: 200ms }
    breaker: { failures: 3, reset_after: 200ms }
  files:
    type: filesystem
    base_path: ${join(disk, 'out')}
    path: all.jsonl
    create_base_path: false
    durability: disk
    timeout: 1s
    retry: { initial: 20ms, max: 200ms }
    breaker: { failures: 3, reset_after: 200ms }
`;

/** Sets up a world in a folder of its own and starts its sidecar. Without a small disk the disk is never full. */
export async function createWorld(server: Server): Promise<World> {
  const database = await server.createDatabase();
  const proxy = await startFaultProxy({ host: '127.0.0.1', port: server.port });
  const folder = createFolder();
  const at = join(folder, 'disk');
  const disk = mountSmallDisk(at);
  const out = join(at, 'out');
  mkdirSync(out);
  const clock = join(folder, 'clock');
  writeFileSync(clock, '0');

  const start = () =>
    startSidecar({
      folder,
      yaml: yaml(server.url(database).replace(`:${server.port}/`, `:${proxy.port}/`), at),
      env: {
        FAULTS_CLOCK: clock,
        NODE_OPTIONS: `--import=${pathToFileURL(join(ROOT, 'test', 'faults', 'clock.mjs')).href}`,
      },
    });
  let sidecar = await start();

  const harm = async (name: string, how: Faults, forMs: number) => {
    proxy.set(how);
    if (name === 'reset') proxy.resetAll();
    await pause(forMs);
    proxy.set({});
    // TCP does not go on as if nothing were missing.
    if (name === 'black hole') proxy.resetAll();
  };
  const suffer: Record<Fault['subject'], (fault: Fault) => Promise<void>> = {
    sidecar: async ({ kind, forMs }) => {
      if (kind === 'SIGSTOP') {
        sidecar.kill('SIGSTOP');
        await pause(forMs);
        sidecar.kill('SIGCONT');
        return;
      }
      sidecar.kill('SIGKILL');
      await sidecar.exit();
      await pause(forMs);
      sidecar = await start();
    },
    network: ({ kind, amount, forMs }) => harm(kind, networkFaults(kind, amount), forMs),
    database: async ({ forMs }) => {
      await server.kill();
      await pause(forMs);
      await server.start();
    },
    disk: async ({ forMs }) => {
      disk?.fill();
      await pause(forMs);
      disk?.free();
    },
    folder: async ({ forMs }) => {
      renameSync(out, `${out}.gone`);
      await pause(forMs);
      renameSync(`${out}.gone`, out);
    },
    clock: async ({ amount, forMs }) => {
      writeFileSync(clock, String(amount));
      if (sidecar.isRunning()) sidecar.kill('SIGUSR2');
      await pause(forMs);
      writeFileSync(clock, '0');
      if (sidecar.isRunning()) sidecar.kill('SIGUSR2');
    },
  };

  return {
    sidecar: () => sidecar,
    suffer: (fault) => suffer[fault.subject](fault),
    rows: () => rowsOf(server, database),
    lines: () => recordsOf(linesOf(join(out, 'all.jsonl'))),
    close: () => remove(proxy, disk, server, database),
  };
}

function networkFaults(kind: string, amount: number): Faults {
  if (kind === 'reset') return { resetAfter: 0 };
  if (kind === 'black hole') return { blackHole: true };
  if (kind === 'cut after') return { cutAfter: amount };
  return kind === 'delay' ? { delayMs: amount } : { cutAnswerAfter: amount };
}

async function rowsOf(server: Server, database: string): Promise<readonly Found[]> {
  const [{ there }] = await server.query("SELECT to_regclass('monitoring_events') AS there", [], database);
  if (there === null) return [];
  const rows = await server.query('SELECT source, value FROM monitoring_events', [], database);
  return rows.map(({ source, value }) => ({ source, n: Number(value) }));
}

function recordsOf(lines: readonly string[]): ReturnType<World['lines']> {
  const found: Found[] = [];
  for (const text of lines) {
    try {
      const { source, data } = JSON.parse(text);
      found.push({ source, n: data.value });
    } catch {}
  }
  return { found, torn: lines.length - found.length };
}

async function remove(
  proxy: FaultProxy,
  disk: SmallDisk | undefined,
  server: Server,
  database: string,
): Promise<void> {
  await proxy.close();
  disk?.remove();
  await server.query(`DROP DATABASE ${database} WITH (FORCE)`);
}

/** Whether file systems can be mounted here. */
export function canMount(): boolean {
  const folder = join(createFolder(), 'disk');
  const disk = mountSmallDisk(folder);
  disk?.remove();
  return disk !== undefined && existsSync(folder);
}
