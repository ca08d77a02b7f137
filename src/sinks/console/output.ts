import { write } from 'node:fs';
import { promisify } from 'node:util';
import { firstValueFrom, type SchedulerLike, timer } from 'rxjs';
import type { Abort } from '../tasks/abortable.ts';
import { turns } from '../tasks/turns.ts';

const writeTo = promisify(write);

/** Somebody else set the pipe to non-blocking and it is full. */
const FULL_PIPE_MS = 20;

/**
 * Writes to a descriptor from a thread, so that a reader who pauses holds up the promise, not the process. Calls
 * keep their order and each writes all its bytes. Rejects once the reader has gone (`| head`): of a FIFO another one
 * may come, and after a restart there is one.
 */
export function output(
  fd: number,
  scheduler: SchedulerLike,
): (bytes: Buffer, abort: Pick<Abort, 'aborted'>) => Promise<void> {
  const mine = turns(1);

  const writeAll = async (bytes: Buffer) => {
    let written = 0;
    while (written < bytes.length) {
      try {
        const { bytesWritten } = await writeTo(fd, bytes, written);
        written += bytesWritten;
      } catch (error) {
        const { code } = error as NodeJS.ErrnoException;
        if (code === 'EPIPE') throw new Error('nobody reads the output any more', { cause: error });
        if (code !== 'EAGAIN') throw error;
        await firstValueFrom(timer(FULL_PIPE_MS, scheduler));
      }
    }
  };

  return (bytes, abort) => mine.run(async () => (abort.aborted ? undefined : writeAll(bytes)));
}
