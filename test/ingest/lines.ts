import { asyncScheduler, of, type SchedulerLike, Subject } from 'rxjs';
import { NO_COUNTERS } from '../../src/context.ts';
import { decode } from '../../src/ingest/detect.ts';
import { normalise } from '../../src/ingest/normalise.ts';
import type { Message } from '../../src/message.ts';
import { createRecording, MUTE, OPTIONS } from './harness.ts';

/** Shows the messages that lines make, each as it is made, numbers read by the scan on the way or not. */
export const showLines = (
  lines: readonly string[],
  isMeasured: boolean,
  show: (message: Message) => void,
): void => showChunks([{ atMs: Date.now(), lines }], isMeasured, show);

/** As they come from a socket; the scan takes no more at once. */
const PIECE = 65_536;

/** The same of lines that come at several times, epoch milliseconds. */
export function showChunks(
  chunks: readonly { readonly atMs: number; readonly lines: readonly string[] }[],
  isMeasured: boolean,
  show: (message: Message) => void,
): void {
  let nowMs = 0;
  const scheduler: SchedulerLike = {
    now: () => nowMs,
    schedule: asyncScheduler.schedule.bind(asyncScheduler),
  };
  const { context: recording } = createRecording(scheduler);
  const context = { ...recording, counters: NO_COUNTERS };
  const chunk$ = new Subject<Buffer>();
  const connection = { id: 1, remote: 'test', chunk$, clockMs: () => 0, ...MUTE, refuse: () => {} };
  const decoded = decode(
    () => OPTIONS,
    context,
    undefined,
    () => isMeasured,
  );
  decoded(connection)
    .pipe(normalise(of({ host: '', tags: {} }), context))
    .subscribe(show);
  for (const { atMs, lines } of chunks) {
    nowMs = atMs;
    const bytes = Buffer.from(lines.map((line) => `${line}\n`).join(''));
    for (let at = 0; at < bytes.length; at += PIECE) chunk$.next(bytes.subarray(at, at + PIECE));
  }
  chunk$.complete();
}
