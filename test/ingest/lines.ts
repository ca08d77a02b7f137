import { of, Subject } from 'rxjs';
import { NO_COUNTERS } from '../../src/context.ts';
import { decode } from '../../src/ingest/detect.ts';
import { normalise } from '../../src/ingest/normalise.ts';
import type { Message } from '../../src/message.ts';
import { createRecording, MUTE, OPTIONS } from './harness.ts';

/** Shows the messages that lines make, each as it is made, numbers read by the scan on the way or not. */
export function showLines(
  lines: readonly string[],
  isMeasured: boolean,
  show: (message: Message) => void,
): void {
  const { context: recording } = createRecording();
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
  chunk$.next(Buffer.from(lines.map((line) => `${line}\n`).join('')));
}
