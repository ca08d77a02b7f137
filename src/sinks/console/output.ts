import { write } from 'node:fs';
import { promisify } from 'node:util';
import { firstValueFrom, type SchedulerLike, timer } from 'rxjs';
import { Permanent } from '../../deliver/sink.ts';
import type { Abort } from '../tasks/abortable.ts';
import { turns } from '../tasks/turns.ts';

const writeTo = promisify(write);

/** Somebody else set the pipe to non-blocking and it is full. */
const FULL_PIPE_MS = 20;

/**
 * Writes to a descriptor from a thread, so that a reader who pauses holds up the promise, not the process. Calls
 * keep their order and each writes all its bytes. Rejects with `Permanent` once the reader has gone (`| head`).
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
        if (code === 'EPIPE')
          throw new Permanent('nobody reads the output any more', { cause: error, scope: 'batch' });
        if (code !== 'EAGAIN') throw error;
        await firstValueFrom(timer(FULL_PIPE_MS, scheduler));
      }
    }
  };

  return (bytes, abort) => mine.run(async () => (abort.aborted ? undefined : writeAll(bytes)));
}
