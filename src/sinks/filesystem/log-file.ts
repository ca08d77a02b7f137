import type { Subscription } from 'rxjs';
import type { Receipt, SinkContext } from '../../deliver/sink.ts';
import type { Abort } from '../tasks/abortable.ts';
import { type Turns, turns } from '../tasks/turns.ts';
import { failure } from './failure.ts';
import { holder } from './holder.ts';
import type { FilePolicy, OpenFile } from './open-file.ts';
import { moveAside, periodOf } from './rotation.ts';
import { appendAll } from './tail.ts';
import type { Upkeep } from './upkeep.ts';

/** One file that lines are appended to, one append after the other. */
export interface LogFile {
  /**
   * Resolves once the file has all of `lines` (whole lines) and, if the policy says so, the disk too; rejects
   * with `Permanent` or a transient error. Aborting stops before the next step and then resolves; what is being
   * written at that moment is still written, before the next append starts. The receipt says where the file was then.
   */
  append(lines: readonly Buffer[], abort: Pick<Abort, 'aborted'>): Promise<Receipt | undefined>;
  /** Nothing runs or waits. */
  idle(): boolean;
  /** Waits for all appends, brings what an interval left unsynced to the disk, closes. */
  close(): Promise<void>;
}

export interface Surroundings {
  readonly policy: FilePolicy;
  readonly context: SinkContext;
  /** Bounds how many of the backend's files are worked on at a time. */
  readonly disk: Turns;
  readonly upkeep: Upkeep | undefined;
}

const NEWLINE = Buffer.from('\n');
/** A rotation that failed (in a folder that may not be written, say) is tried again after this time. */
const ROTATE_AGAIN_MS = 60_000;

const sizeOf = (pieces: readonly Buffer[]) => pieces.reduce((sum, { length }) => sum + length, 0);

/** The file at an absolute path inside the policy's folder; it is opened by the first append. */
export function logFile(path: string, { policy, context, disk, upkeep }: Surroundings): LogFile {
  const { scheduler, log, backend } = context;
  const { fsync, rotation } = policy;
  const held = holder(path, policy, context, upkeep);
  const mine = turns(1);
  let unsynced: Subscription | undefined;
  let rotateFromMs = Number.NEGATIVE_INFINITY;

  const turn = <T>(task: () => Promise<T>) => mine.run(() => disk.run(task));

  const syncNow = () => {
    unsynced?.unsubscribe();
    unsynced = undefined;
    return held.sync();
  };

  const isDue = ({ size, period }: OpenFile, bytes: number) => {
    const nowMs = scheduler.now();
    if (rotation === undefined || size === 0 || nowMs < rotateFromMs) return false;
    return (
      size + bytes > (rotation.max_bytes ?? Number.POSITIVE_INFINITY) || period !== periodOf(rotation, nowMs)
    );
  };

  const rotate = async (old: OpenFile) => {
    if (unsynced) await syncNow();
    await held.shut();
    try {
      await moveAside(old.path, scheduler.now());
      upkeep?.rotated(old.path);
    } catch (error) {
      rotateFromMs = scheduler.now() + ROTATE_AGAIN_MS;
      log.warn(
        { backend, path, err: error },
        'the file cannot be rotated and grows on; next try in a minute',
      );
    }
    return held.current();
  };

  const write = async ({ handle, torn }: OpenFile, lines: readonly Buffer[]) => {
    await appendAll(handle, torn ? [NEWLINE, ...lines] : lines);
    if (torn) held.mended();
    if (fsync === 'batch') await handle.datasync();
    else if (fsync !== 'never') unsynced ??= scheduler.schedule(() => void turn(syncNow), fsync);
  };

  const append = async (lines: readonly Buffer[], abort: Pick<Abort, 'aborted'>) => {
    if (abort.aborted) return undefined;
    try {
      const file = await held.current();
      const target = isDue(file, sizeOf(lines)) ? await rotate(file) : file;
      if (abort.aborted) return undefined;
      await write(target, lines);
      return { place: `${target.path} from byte ${target.size}` };
    } catch (error) {
      await held.shut();
      throw failure(error, path);
    }
  };

  const close = async () => {
    if (unsynced) await syncNow();
    await held.shut();
  };

  return {
    append: (lines, abort) => turn(() => append(lines, abort)),
    idle: mine.idle,
    close: () => turn(close),
  };
}
