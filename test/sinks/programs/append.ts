/** Appends batches to a folder's files as fast as it can and prints how many were accepted, until it is killed. */
import { asyncScheduler, lastValueFrom } from 'rxjs';
import { createBatch } from '../../../src/batch.ts';
import { createMessage, type Message } from '../../../src/message.ts';
import filesystem from '../../../src/sinks/filesystem.ts';

const [dir = '', writer = '', rotate = '{}'] = process.argv.slice(2);
const log = { debug() {}, info() {}, warn() {}, error() {} };
const counters = { received() {}, rejected() {}, batched() {}, added() {}, operatorFailed() {} };
const context = {
  scheduler: asyncScheduler,
  log,
  counters,
  random: Math.random,
  backend: 'files',
  dataDir: dir,
};
const options = filesystem.options.parse({ base_path: dir, ...JSON.parse(rotate) });
const sink = filesystem.open(options, context);
if (sink === undefined) throw new Error('the sink cannot be opened');

const textOf = (n: number) =>
  `{"source":"web","writer":"${writer}","n":${n},"filler":"${'x'.repeat(n % 300)}"`;

function message(n: number): Message {
  return createMessage({
    id: `${writer}-${n}`,
    source: 'web',
    type: 'event',
    timeMs: 0,
    receivedMs: 0,
    traceId: '',
    spanId: '',
    jobId: '',
    seq: 0,
    severity: 0,
    head: textOf(n),
    tail: '',
    parsed: {},
  });
}

for (let sent = 0; ; ) {
  const size = 1 + ((sent * 7) % 5_000);
  const batch = createBatch(
    Array.from({ length: size }, (_, n) => message(sent + n)),
    0,
    'count',
  );
  await lastValueFrom(sink.send(batch, sink.address({}).target(message(0))), { defaultValue: 0 });
  sent += size;
  process.stdout.write(`${sent}\n`);
}
