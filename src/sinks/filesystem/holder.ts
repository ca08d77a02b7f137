import type { SinkContext } from '../../deliver/sink.ts';
import { type FilePolicy, type OpenFile, openFile, sizeAt } from './open-file.ts';
import type { Upkeep } from './upkeep.ts';

/** Keeps the file at a path open. Calls must not overlap. */
export interface Holder {
  /** The file that stands at the path now, opened anew if it was moved or deleted, with its present size. */
  current(): Promise<OpenFile>;
  /** The file's last line is whole again. */
  mended(): void;
  /** Brings what was written to the disk. A failure is logged and closes the file. */
  sync(): Promise<void>;
  /** Closes the file if it is open; never fails. */
  shut(): Promise<void>;
}

/** States: closed → open (`current`) → closed (`shut`, or the file is not at its path any more). */
export function holder(path: string, policy: FilePolicy, context: SinkContext, upkeep?: Upkeep): Holder {
  const { scheduler, log, backend } = context;
  let file: OpenFile | undefined;

  const shut = async () => {
    const handle = file?.handle;
    file = undefined;
    // NFS may tell only here that it could not keep what it took.
    await handle?.close().catch((error: unknown) => {
      log.error({ backend, path, err: error }, 'closing the file failed; its last lines may be lost');
    });
  };

  const open = async () => {
    file = await openFile(path, policy, scheduler.now());
    upkeep?.opened(file.path);
    if (file.torn) log.warn({ backend, path }, 'the last line was cut short by a crash; a newline ends it');
    return file;
  };

  return {
    shut,
    current: async () => {
      if (file === undefined) return open();
      const size = await sizeAt(path, file);
      if (size !== undefined) return { ...file, size };
      log.info({ backend, path }, 'the file was moved or deleted; a new one is started');
      await shut();
      return open();
    },
    mended: () => {
      if (file) file = { ...file, torn: false };
    },
    sync: async () => {
      try {
        await file?.handle.datasync();
      } catch (error) {
        log.error({ backend, path, err: error }, 'fsync failed; the last lines may be lost');
        await shut();
      }
    },
  };
}
