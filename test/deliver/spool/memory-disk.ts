import type { SpoolDisk } from '../../../src/deliver/spool/disk.ts';

/** A file as it is now, and as a power cut would leave it at least. */
interface File {
  bytes: Buffer;
  durableBytes: number;
  touchedMs: number;
}

/** Draws an integer below `n`. */
export type Draw = (n: number) => number;

export type Fault = 'create' | 'write' | 'sync' | 'read' | 'replace';

/** A disk that loses power, flips bits, loses files, runs full and fails. */
export interface FaultyDisk {
  readonly files: ReadonlyMap<string, { readonly bytes: Buffer }>;
  /** What was not synced is lost, or part of it. */
  crash(draw: Draw): void;
  /** The disk as a process sees it: after a crash its calls never come back. */
  session(): SpoolDisk;
  flip(path: string, bit: number): void;
  lose(path: string): void;
  /** How many calls of a kind fail from now on, and with what. */
  fail(kind: Fault, times: number, code: string): void;
  /** Lets calls that run come to an end, as far as that can be told. */
  turn(): Promise<void>;
}

/** All of it in memory. */
export type MemoryDisk = SpoolDisk & FaultyDisk;

export const systemError = (code: string) => Object.assign(new Error(code), { code });

export function memoryDisk(): MemoryDisk {
  let files = new Map<string, File>();
  /** Names that a power cut would leave. */
  let durable = new Map<string, File>();
  let life = 0;
  const failing = new Map<string, { times: number; code: string }>();

  const attempt = async (kind: string, partly?: () => void) => {
    await undefined;
    const failure = failing.get(kind);
    if (failure === undefined || failure.times === 0) return;
    failure.times--;
    partly?.();
    throw systemError(failure.code);
  };
  const file = (path: string): File => {
    const found = files.get(path);
    if (found === undefined) throw systemError('ENOENT');
    return found;
  };
  const put = (at: File, bytes: Buffer, position: number) => {
    const grown = Buffer.alloc(Math.max(at.bytes.length, position + bytes.length));
    at.bytes.copy(grown);
    bytes.copy(grown, position);
    at.bytes = grown;
  };

  const disk: MemoryDisk = {
    files: {
      get: (path: string) => files.get(path),
      [Symbol.iterator]: () => files[Symbol.iterator](),
      keys: () => files.keys(),
      get size() {
        return files.size;
      },
    } as ReadonlyMap<string, File>,
    list: async (dir) => {
      await undefined;
      return [...files.keys()]
        .filter((path) => path.startsWith(`${dir}/`))
        .map((path) => path.slice(dir.length + 1));
    },
    makeDir: async () => {},
    create: async (path) => {
      await attempt('create');
      if (files.has(path)) throw systemError('EEXIST');
      const born = life;
      const made: File = { bytes: Buffer.alloc(0), durableBytes: 0, touchedMs: 0 };
      files.set(path, made);
      return {
        write: async (buffers, position) => {
          const bytes = Buffer.concat(buffers);
          await attempt('write', () => put(made, bytes.subarray(0, bytes.length >> 1), position));
          if (born === life) put(made, bytes, position);
        },
        sync: async () => {
          await attempt('sync');
          if (born === life) made.durableBytes = made.bytes.length;
        },
        cut: async (length) => {
          await attempt('write');
          made.bytes = made.bytes.subarray(0, length);
          made.durableBytes = Math.min(made.durableBytes, length);
        },
        isThere: async () => files.get(path) === made,
        close: async () => {},
      };
    },
    read: async (path, from, to) => {
      await attempt('read');
      return Buffer.from(file(path).bytes.subarray(from, Math.min(to, file(path).bytes.length)));
    },
    replace: async (path, bytes) => {
      await attempt('replace');
      files.set(path, { bytes: Buffer.from(bytes), durableBytes: 0, touchedMs: 0 });
    },
    cut: async (path, length) => {
      await attempt('write');
      const cut = file(path);
      cut.bytes = cut.bytes.subarray(0, length);
      cut.durableBytes = Math.min(cut.durableBytes, length);
    },
    remove: async (path) => {
      await undefined;
      files.delete(path);
    },
    syncDir: async (dir) => {
      await undefined;
      for (const path of [...durable.keys(), ...files.keys()]) {
        if (!path.startsWith(dir)) continue;
        const now = files.get(path);
        if (now === undefined) durable.delete(path);
        else durable.set(path, now);
      }
    },
    touch: async (path, ms) => {
      file(path).touchedMs = ms;
    },
    touchedMs: async (path) => file(path).touchedMs,

    crash: (draw) => {
      life++;
      failing.clear();
      const left = new Map<string, File>();
      for (const path of new Set([...files.keys(), ...durable.keys()])) {
        const now = files.get(path);
        const before = durable.get(path);
        // A name that was made, removed or replaced since: either may be there.
        const kept = now === before || draw(2) === 0 ? now : before;
        if (kept === undefined) continue;
        const torn = kept.durableBytes + draw(kept.bytes.length - kept.durableBytes + 1);
        const bytes = Buffer.from(kept.bytes.subarray(0, torn));
        // A file may have its new length before its new bytes.
        if (draw(4) === 0) bytes.fill(0, kept.durableBytes + draw(torn - kept.durableBytes + 1));
        left.set(path, { ...kept, bytes, durableBytes: bytes.length });
      }
      files = left;
      durable = new Map(left);
    },
    session: () => {
      const born = life;
      const mortal = <T extends object>(calls: T): T =>
        new Proxy(calls, {
          get: (target, name) =>
            name === 'then'
              ? undefined
              : async (...given: unknown[]) => {
                  if (born !== life) return new Promise(() => {});
                  const call = Reflect.get(target, name) as (...given: unknown[]) => Promise<unknown>;
                  const answer = await call(...given);
                  if (born !== life) return new Promise(() => {});
                  return name === 'create' ? mortal(answer as object) : answer;
                },
        });
      return mortal<SpoolDisk>(disk);
    },
    flip: (path, bit) => {
      const { bytes } = file(path);
      bytes[bit >> 3] = (bytes[bit >> 3] as number) ^ (1 << (bit & 7));
    },
    lose: (path) => {
      files.delete(path);
      durable.delete(path);
    },
    turn: () => new Promise((resolve) => setImmediate(resolve)),
    fail: (kind, times, code) => {
      failing.set(kind, { times, code });
    },
  };
  return disk;
}
