import { readlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { SchedulerLike } from 'rxjs';
import { type Alarm, createAlarm } from '../../flow/alarm.ts';
import { codeOf, readSystemFile, type SpoolDisk } from './disk.ts';

/** Keeps two processes out of one folder. */
export interface Lock {
  /** Resolves to whether the folder is ours; asking again after a while may succeed. */
  acquire(): Promise<boolean>;
  release(): Promise<void>;
}

/** Who asks, and who is known to run. */
export interface Processes {
  /** Names this process, now and among all that ran or will run on this system. */
  self(): Promise<string>;
  /** Whether the process of that name runs; `undefined` if that cannot be told from here. */
  isAlive(name: string): Promise<boolean | undefined>;
}

const BEAT_MS = 5000;
/** An owner elsewhere that does not touch its lock for so long is taken for dead. */
const SILENCE_MS = 15_000;
/** An owner is named within an instant; a file without a name is that of one who was killed just then. */
const NAMELESS_MS = 500;
const FILE = 'owner';

/**
 * A file that names its owner. Of a process that can be looked up it is known at once whether it lives; of one on
 * another host or in another container it is known by whether it goes on touching the file.
 */
export function createLock(
  dir: string,
  disk: SpoolDisk,
  scheduler: SchedulerLike,
  processes: Processes,
): Lock {
  const path = join(dir, FILE);
  /** When the owner elsewhere had touched its lock, as it was seen last, and whether that was long ago. */
  let touchedMs: number | undefined;
  let isSilent = false;
  let held = false;

  const beat: Alarm = createAlarm(scheduler, () => {
    if (!held) return;
    disk.touch(path, scheduler.now()).catch(() => {});
    beat.set(BEAT_MS);
  });

  // A timer: clocks may be set.
  const silence: Alarm = createAlarm(scheduler, () => {
    isSilent = true;
  });

  const owner = async () => (await disk.read(path, 0, 1000)).toString();
  const isOwner = async (self: string) => (await owner()) === self;

  const create = async (self: string): Promise<boolean> => {
    try {
      const file = await disk.create(path);
      try {
        await file.write([Buffer.from(self)], 0);
      } catch (error) {
        // A file that names nobody holds up whoever asks next.
        await disk.remove(path).catch(() => {});
        throw error;
      } finally {
        await file.close();
      }
      // The name may have come so late that somebody took the folder over.
      return await isOwner(self);
    } catch (error) {
      if (codeOf(error) === 'EEXIST') return false;
      throw error;
    }
  };

  const isAbandoned = async (name: string, self: string): Promise<boolean> => {
    if (name === self) return true;
    const alive = await processes.isAlive(name);
    if (alive !== undefined) return !alive;
    const nowTouchedMs = await disk.touchedMs(path);
    if (nowTouchedMs !== touchedMs) {
      touchedMs = nowTouchedMs;
      isSilent = false;
      silence.set(name === '' ? NAMELESS_MS : SILENCE_MS);
    }
    return isSilent;
  };

  return {
    acquire: async () => {
      if (held) return true;
      const self = await processes.self();
      await disk.makeDir(dir);
      if (!(await create(self))) {
        if (!(await isAbandoned(await owner(), self))) return false;
        await disk.replace(path, Buffer.from(self));
        // Of several who took it over at once, the last one has it.
        if (!(await isOwner(self))) return false;
      }
      held = true;
      silence.clear();
      beat.set(BEAT_MS);
      return true;
    },
    release: async () => {
      silence.clear();
      touchedMs = undefined;
      if (!held) return;
      held = false;
      beat.clear();
      await disk.remove(path);
    },
  };
}

/** The processes of this host, as Linux shows them; elsewhere no other process can be looked up. */
export const linuxProcesses: Processes = {
  self: async () => `${await place()} ${startOf(await readSystemFile('/proc/self/stat'))}`,
  isAlive: async (name) => {
    const here = await place();
    const [, pid] = name.slice(here.length).split(' ');
    if (here === '' || !name.startsWith(`${here} `) || pid === undefined) return undefined;
    return name === `${here} ${startOf(await readSystemFile(`/proc/${Number(pid)}/stat`))}`;
  },
};

/** The boot and the process namespace, in which a process is named by its number and its start. */
async function place(): Promise<string> {
  const boot = (await readSystemFile('/proc/sys/kernel/random/boot_id')).trim();
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  return boot === '' || namespace === '' ? '' : `${boot}/${namespace}`;
}

/** `<pid> <start>` of a /proc/<pid>/stat: its first field, and the 20th behind the name in parentheses. */
function startOf(stat: string): string {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return stat === '' ? '' : `${stat.slice(0, stat.indexOf(' '))} ${fields[19]}`;
}
