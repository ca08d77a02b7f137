import { readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { realDisk, type SpoolDisk, type SpoolFile } from '../../../src/deliver/spool/disk.ts';
import { type Draw, type Fault, type FaultyDisk, systemError } from './memory-disk.ts';

/** A folder of the real disk with the faults of the one in memory; of a power cut, torn ends only. */
export function faultyRealDisk(dir: string): FaultyDisk {
  const synced = new Map<string, number>();
  const opened: SpoolFile[] = [];
  const failing = new Map<Fault, { times: number; code: string }>();
  let life = 0;

  const attempt = (kind: Fault) => {
    const failure = failing.get(kind);
    if (failure === undefined || failure.times === 0) return;
    failure.times--;
    throw systemError(failure.code);
  };
  const track = (path: string, file: SpoolFile): SpoolFile => {
    let size = 0;
    opened.push(file);
    synced.set(path, 0);
    return {
      ...file,
      write: async (buffers, position) => {
        const length = buffers.reduce((sum, one) => sum + one.length, 0);
        if (length > 1) await file.write([Buffer.concat(buffers).subarray(0, length >> 1)], position);
        attempt('write');
        await file.write(buffers, position);
        size = position + length;
      },
      sync: async () => {
        attempt('sync');
        await file.sync();
        synced.set(path, size);
      },
      close: async () => {
        opened.splice(opened.indexOf(file), 1);
        await file.close();
      },
    };
  };
  const unlessGone = <T>(work: () => T): T | undefined => {
    try {
      return work();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      return undefined;
    }
  };
  /** What is there; a removal that is on its way may be done between looking and reading. */
  const contents = () =>
    readdirSync(dir).flatMap((name): [string, Buffer][] => {
      const path = join(dir, name);
      const bytes = unlessGone(() => readFileSync(path));
      return bytes === undefined ? [] : [[path, bytes]];
    });

  return {
    get files() {
      return new Map(contents().map(([path, bytes]) => [path, { bytes }]));
    },
    session: () => {
      const born = life;
      const unlessDead = async <T>(call: () => Promise<T>): Promise<T> => {
        if (born !== life) return new Promise(() => {});
        return call();
      };
      const mortal: SpoolDisk = {
        list: (path) => unlessDead(() => realDisk.list(path)),
        makeDir: (path) => unlessDead(() => realDisk.makeDir(path)),
        create: (path) =>
          unlessDead(async () => {
            attempt('create');
            const file = await realDisk.create(path);
            if (born === life) return track(path, file);
            await file.close();
            return new Promise(() => {});
          }),
        read: (path, from, to) =>
          unlessDead(async () => {
            attempt('read');
            return realDisk.read(path, from, to);
          }),
        replace: (path, bytes) =>
          unlessDead(async () => {
            attempt('replace');
            await realDisk.replace(path, bytes);
          }),
        cut: (path, length) => unlessDead(() => realDisk.cut(path, length)),
        remove: (path) => unlessDead(() => realDisk.remove(path)),
        syncDir: (path) => unlessDead(() => realDisk.syncDir(path)),
        touch: (path, ms) => unlessDead(() => realDisk.touch(path, ms)),
        touchedMs: (path) => unlessDead(() => realDisk.touchedMs(path)),
      };
      return mortal;
    },
    crash: (draw: Draw) => {
      life++;
      failing.clear();
      for (const file of opened.splice(0)) void file.close().catch(() => {});
      for (const [path, { length }] of contents()) {
        const least = synced.get(path) ?? length;
        if (length > least) unlessGone(() => truncateSync(path, least + draw(length - least + 1)));
      }
    },
    flip: (path, bit) =>
      unlessGone(() => {
        const bytes = readFileSync(path);
        bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
        writeFileSync(path, bytes, { flag: 'r+' });
      }),
    lose: (path) => rmSync(path, { force: true }),
    turn: () => new Promise((resolve) => setTimeout(resolve, 2)),
    fail: (kind, times, code) => {
      failing.set(kind, { times, code });
    },
  };
}
